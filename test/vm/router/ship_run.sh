#!/bin/sh
exec agent ship --config /etc/agent.yaml 2>&1
