/**
 * The script that becomes pid 1 of a sandbox: builds its root file system from overlays, enters it, starts the agent
 * and reaps child processes. It is passed in a variable, so the sandbox never sees it as a file.
 *
 * Variables: D (the sandbox's folder: upper, work, run, root), BASE, TPL (a template's tree, or empty), NODEDIR,
 * AGENTDIR. File descriptor 4 is the readiness pipe. Of the host, only `/usr` is visible.
 * Like a virtual machine, the sandbox has a boot id of its own, a new one after each boot.
 * Host folders are lower layers of overlays, never bind mounts, so the sandbox cannot write to them.
 * `sudo` uses the copy of `setpriv`. It is in the sandbox's own file system, so users of the host cannot run it.
 */

import { SUDO_SCRIPT } from './sudo.ts';

export const SETUP_SCRIPT = String.raw`
set -eu; umask 022
for f in /proc/self/fd/*; do n=${'$'}{f##*/}; [ "$n" -le 4 ] || [ "$n" -ge 255 ] || eval "exec $n>&-"; done
cd "$D"; mkdir -p upper work run; rm -rf run/*
if [ ! -d root ]; then
  rm -rf root.new; cp -r --preserve=mode,timestamps,links "$BASE/root" root.new
  if [ -n "$TPL" ]; then
    for path in "$TPL"/*; do
      case "${'$'}{path##*/}" in usr|opt|etc|dev|proc|sys|run|'*') ;;
        *) cp -r --preserve=mode,timestamps,links "$path" root.new/ ;; esac
    done
  fi
  chown -R 1000:1000 root.new/home/user root.new/mnt/session 2>/dev/null || :
  mv root.new root
fi
mount --bind root root; cd root
for d in usr opt etc dev proc sys run; do [ -d $d ] && [ ! -L $d ] || { rm -rf $d; mkdir $d; }; done
overlay() {
  mkdir -p "$D/upper/$1" "$D/work/$1"
  mount -t overlay overlay -o "userxattr,lowerdir=$2,upperdir=../upper/$1,workdir=../work/$1" "$3"
}
layers() { if [ -n "$TPL" ] && [ -d "$TPL/$1" ]; then printf %s "$TPL/$1:$BASE/$1"; else printf %s "$BASE/$1"; fi; }
overlay usr "$(layers usr):/usr" usr; overlay opt "$(layers opt)" opt; overlay etc "$(layers etc)" etc
mount -t tmpfs -o mode=755,nosuid,nodev run run; mkdir run/e2b run/agent run/lock run/node
mount --bind "$D/run" run/e2b; overlay agent "$AGENTDIR" run/agent; overlay node "$NODEDIR" run/node
if read -r _ _ ids < /proc/self/uid_map && [ "$ids" != 1 ]; then
  mkdir run/sudo; mount -t tmpfs -o mode=755,size=1m,nodev sudo run/sudo
  cp usr/bin/setpriv run/sudo/; chmod 4755 run/sudo/setpriv
fi
mount -t tmpfs -o mode=755,size=64k,nosuid dev dev; mkdir dev/pts dev/shm
for n in null zero full random urandom tty; do : > dev/$n; mount --bind /dev/$n dev/$n; done
ln -s pts/ptmx dev/ptmx; ln -s /proc/self/fd dev/fd
for n in 0:stdin 1:stdout 2:stderr; do ln -s fd/${'$'}{n%:*} dev/${'$'}{n#*:}; done
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts dev/pts
mount -t tmpfs -o mode=1777,nosuid,nodev shm dev/shm
mount -t proc -o nosuid,nodev,noexec proc proc
(umask 222; cat /proc/sys/kernel/random/uuid > run/boot-id)
mount --bind run/boot-id proc/sys/kernel/random/boot_id; rm -f run/boot-id
mount -t sysfs -o nosuid,nodev,noexec sysfs sys; echo 1 > sys/class/net/lo/flags
hostname e2b 2>/dev/null || :
read -r pid _ < /proc/self/stat; echo "$pid" > "$D/pid.tmp"; mv "$D/pid.tmp" "$D/pid"
mkdir -p .old; pivot_root . .old; cd /; umount -l /.old; rmdir /.old
exec </dev/null >/dev/null
env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
  /run/node/bin/node /run/agent/agent.mjs &
exec 4>&-; wait $!
`;

/** Run by the real root in a new mount namespace: mounts the host folders where the sandbox's owner can read them. */
export const BIND_SCRIPT = `
set -eu; exec 5<"$H_D" 6<"$H_BASE" 7<"$H_NODE" 8<"$H_AGENT" 9<"$H_TPL"
mount -t tmpfs -o mode=755 sandbox /run
n=5; for name in d base node agent tpl; do
  mkdir /run/$name; mount --no-canonicalize --bind /proc/self/fd/$n /run/$name; n=$((n+1))
done
exec 5<&- 6<&- 7<&- 8<&- 9<&-; cd /; drop=$DROP; unset H_D H_BASE H_NODE H_AGENT H_TPL BIND DROP
eval "$drop"
`;

/**
 * Makes the shared lower layers in the current folder, as the owner of the sandboxes: `root` (copied for each
 * sandbox), `etc` (from a list of harmless host files), and folder skeletons of `/usr` and `/opt`, which allow the
 * owner to add, replace and delete files of the host there.
 */
export const BASE_SCRIPT = String.raw`
set -eu; umask 022
mkdir -p root/{dev,proc,sys,run,tmp,root,srv,opt,etc,usr,home/user,mnt/session,var/{tmp,log,cache,spool,lib,lock}} etc/profile.d usr opt
cp -r --preserve=mode,timestamps,links /etc/skel/. root/home/user/ 2>/dev/null || :
cp -r --preserve=mode,timestamps,links root/home/user/. root/root/
chmod 1777 root/tmp root/var/tmp; chmod 700 root/root; ln -s ../run root/var/run
for l in bin sbin lib lib32 lib64 libx32; do [ -L /$l ] && ln -s "$(readlink /$l)" root/$l; done
for n in alternatives bash.bashrc ca-certificates ca-certificates.conf crypto-policies debian_version default/locale \
  gai.conf host.conf inputrc issue java ld.so.cache ld.so.conf ld.so.conf.d locale.alias locale.conf localtime \
  login.defs magic magic.mime mime.types nsswitch.conf os-release perl pki profile protocols python3 rpc services \
  shells skel ssl terminfo timezone xattr.conf; do
  [ -e /etc/$n ] || continue; mkdir -p "$(dirname etc/$n)"
  cp -r --preserve=mode,timestamps,links /etc/$n etc/$n 2>/dev/null || :
done
chmod -R u+rwX etc; echo e2b > etc/hostname; printf '127.0.0.1 localhost e2b\n::1 localhost\n192.0.2.1 events.e2b.local\n' > etc/hosts
{ printf 'root:x:0:0:root:/root:/bin/bash\nuser:x:1000:1000::/home/user:/bin/bash\n'; awk -F: '$3!=0&&$3<1000||$1=="nobody"' /etc/passwd; } > etc/passwd
{ printf 'root:x:0:\nuser:x:1000:\n'; awk -F: '$3!=0&&$3<1000||$1=="nogroup"{print $1":"$2":"$3":"}' /etc/group; } > etc/group
for d in usr; do (cd /$d && find . -xdev -type d -perm -o=rx -print0) 2>/dev/null | (cd $d && xargs -0 -r mkdir -p); done
mkdir -p usr/local/bin; ln -sf /run/node/bin/node usr/local/bin/node
# E2B's base has the attr package; most hosts do not.
if ! command -v setfattr >/dev/null; then cat > usr/local/bin/setfattr <<'END'
#!/usr/bin/python3
import getopt, os, sys
try: options, paths = getopt.gnu_getopt(sys.argv[1:], 'n:v:x:', ['name=', 'value=', 'remove='])
except getopt.GetoptError as error: sys.exit('setfattr: %s' % error)
given = {key.lstrip('-')[0]: value for key, value in options}
try:
    for path in paths:
        if 'n' in given: os.setxattr(path, given['n'], os.fsencode(given.get('v', '')))
        if 'r' in given or 'x' in given: os.removexattr(path, given.get('r', given.get('x')))
except OSError as error: sys.exit('setfattr: %s' % error)
END
chmod 755 usr/local/bin/setfattr; fi
[ -e /usr/bin/python ] || [ ! -e /usr/bin/python3 ] || ln -s python3 usr/bin/python
cat > usr/bin/sudo <<'END'
${SUDO_SCRIPT}END
chmod 755 usr/bin/sudo
`;
