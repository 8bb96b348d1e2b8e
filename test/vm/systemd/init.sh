#!/bin/busybox sh
# The first program of the kernel: it looks for the disk, and systemd starts from there.
export PATH=/bin:/usr/bin
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox --install -s /bin
while read -r module; do insmod "/modules/$module"; done </modules/order
ifconfig lo 127.0.0.1 up
ifconfig eth0 10.0.2.15 netmask 255.255.255.0 up
route add default gw 10.0.2.2
until [ -b /dev/vda ]; do sleep 0.1; done
mkdir /disk
mount -t ext4 /dev/vda /disk || exec sh
mount -o move /dev /disk/dev
exec switch_root /disk /lib/systemd/systemd
