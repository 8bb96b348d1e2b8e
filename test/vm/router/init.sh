#!/bin/busybox sh
# The first program of the router: disk, network, clock, then s6 for all the rest. `/etc/run` names this run of the test.
export PATH=/bin:/usr/bin:/var/bin
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox --install -s /bin
mount -t tmpfs run /run
mount -t tmpfs tmp /tmp
dmesg -n 1
echo on >/proc/sys/kernel/printk_devkmsg # what is written to /dev/kmsg is not rationed
while read -r module; do insmod "/modules/$module"; done </modules/order
hostname router1
ifconfig lo 127.0.0.1 up
ifconfig eth0 10.0.2.15 netmask 255.255.255.0 up
route add default gw 10.0.2.2
until [ -b /dev/vda ]; do sleep 0.1; done
mount -t ext4 /dev/vda /var || exec sh

# Boots are called a, b, c and so on; the name of this one is on disk before anything else is.
tr '`a-y' a-z </var/boot >/run/boot
cat /run/boot >/var/boot
sync
mkdir -p /run/agent
echo "@@boot $(cat /run/boot) $(cut -d ' ' -f 1 /proc/uptime)" >/dev/console
agent version >/dev/console # unpacks itself at the first boot
echo "@@agent $(cat /run/boot) $(cut -d ' ' -f 1 /proc/uptime)" >/dev/console
exec s6-svscan /service
