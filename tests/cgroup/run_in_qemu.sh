#!/bin/bash
# Shows that the kernel limits stages' processes (isolation_test, TheKernelEnforcesTheLimitsWhereItCan) in
# an emulated machine, for one that has no control group to give to a test: run by hand, some minutes.
#   tests/cgroup/run_in_qemu.sh BUILD_FOLDER VMLINUZ
# Needs qemu-system-x86, busybox-static, cpio and a kernel, such as that of linux-image-cloud-amd64.
set -euo pipefail
build=$(realpath "$1") kernel=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
root=$folder/root
mkdir -p "$root"/{bin,dev,etc,proc,sys,tmp}
cp /bin/busybox "$root/bin"
for file in tests/isolation_test bin/wiremill-stagehost daemon/pipeline/probe.so; do
  for needed in "$build/$file" $(ldd "$build/$file" | grep -o '/[^ ]*'); do
    install -D "$needed" "$root$needed"
  done
done
cat > "$root/init" <<END
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t cgroup2 cgroup2 /sys/fs/cgroup
cd /sys/fs/cgroup
echo "+memory +pids" > cgroup.subtree_control
mkdir test
chown 1000 test test/cgroup.procs test/cgroup.subtree_control
echo "nobody:x:1000:1000::/:/bin/sh" > /etc/passwd
chmod 1777 /tmp
sh -c 'echo \$\$ > test/cgroup.procs; exec su nobody -c "exec \
  $build/tests/isolation_test --gtest_color=no --gtest_filter=*TheKernelEnforces*"'
poweroff -f
END
chmod +x "$root/init"
(cd "$root" && find . | cpio --quiet -o -H newc | gzip -1) > "$folder/initrd"
qemu-system-x86_64 -accel tcg -cpu max -m 2048 -nographic -no-reboot -nic none -kernel "$kernel" \
  -initrd "$folder/initrd" -append "console=ttyS0 quiet panic=-1 cgroup_no_v1=all" < /dev/null |
  tr -d '\r' | tee "$folder/said"
grep -qF '[  PASSED  ] 1 test' "$folder/said"
