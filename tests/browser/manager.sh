#!/bin/sh
# Runs a network manager as a device has it: with a bus, a /run, an /etc and a /var/lib of its own.
#
#     manager.sh FOLDER PROGRAM…
#
# To be started in the namespaces that are meant: network, mounts, host name. FOLDER keeps the bus.
set -eu
folder=$1
shift
mount --make-rprivate /
mount -o remount,ro /sys # the one of this network; read-only, so that nobody waits for udev
cp /etc/resolv.conf "$folder/resolv.conf"
mkdir -p "$folder/run" "$folder/lib"
for private in /run /var/lib; do
    mount -t tmpfs tmpfs "$private"
done
mkdir -p /run/dbus /run/NetworkManager /var/lib/NetworkManager
mkdir -p /run/connman # without it, ConnMan writes over /etc/resolv.conf
cat >"$folder/bus.conf" <<END
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=$folder/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy>
</busconfig>
END
dbus-daemon --config-file="$folder/bus.conf" --nofork --nopidfile &
until [ -S "$folder/bus" ]; do sleep 0.05; done
export DBUS_SYSTEM_BUS_ADDRESS="unix:path=$folder/bus"
# The clock is the machine's.
exec setpriv --bounding-set=-sys_time --inh-caps=-sys_time "$@"
