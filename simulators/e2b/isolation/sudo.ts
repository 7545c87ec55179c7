/**
 * `sudo` of the local sandboxes: as at E2B, every user may become any user without a password. The host's `sudo`
 * cannot work inside: it and its plugins belong to a user that a sandbox does not have. The rights come from a copy of
 * `setpriv` that exists only inside (see the setup script).
 */
const BECOME = '/run/sudo/setpriv';

/** Writes `${…}` of bash in a JavaScript template. */
const $ = '$';

export const SUDO_SCRIPT = String.raw`#!/bin/bash
fail() { echo "sudo: $*" >&2; exit 1; }
long=user:,group:,chdir:,prompt:,preserve-env::,background,set-home,login,shell,list,validate,non-interactive,stdin
options=$(getopt -n sudo -o +u:g:D:p:bEHisklKnSv -l $long,reset-timestamp,remove-timestamp -- "$@") || exit 1
eval "set -- $options"
path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
user=root group= folder= all= target_home= shell= background= idle= kept=' TERM COLORTERM LANG LANGUAGE '
while [ "$1" != -- ]; do
  case $1 in
    -u|--user) user=$2; shift ;;
    -g|--group) group=$2; shift ;;
    -D|--chdir) folder=$2; shift ;;
    -p|--prompt) shift ;;
    --preserve-env) if [ "$2" ]; then kept+="${$}{2//,/ } "; else all=yes; fi; shift ;;
    -E) all=yes ;;
    -H|--set-home) target_home=yes ;;
    -i|--login) shell=login ;;
    -s|--shell) shell=plain ;;
    -b|--background) background=yes ;;
    -l|--list) echo "User $(id -un) may run the following commands on $(hostname):"
      echo '    (ALL : ALL) NOPASSWD: ALL'; exit ;;
    -v|-k|-K|--validate|--re*) idle=yes ;;
  esac
  shift
done
shift
entry=$(getent passwd "${$}{user#\#}") || fail "unknown user $user"
IFS=: read -r name _ uid gid _ home login <<<"$entry"
if [ "$group" ]; then
  entry=$(getent group "${$}{group#\#}") || fail "unknown group $group"
  IFS=: read -r _ _ gid _ <<<"$entry"
fi

set_here=()
while [[ $1 =~ ^[A-Za-z_][A-Za-z0-9_]*= ]]; do set_here+=("$1"); shift; done
if [ "$shell" ]; then
  # Joins the words into one line in which the shell expands variables only.
  line=$(for word; do printf ' %s' "$(sed 's/[^A-Za-z0-9_$-]/\\&/g' <<<"$word")"; done)
  words=(); [ $# = 0 ] || words=(-c "${$}{line# }")
  if [ $shell = login ]; then folder=${$}{folder:-$home}; set -- "$login" -l "${$}{words[@]}"
  else set -- "${$}{SHELL:-/bin/bash}" "${$}{words[@]}"; fi
fi
if [ $# = 0 ]; then [ $idle ] || fail 'a command is needed'; exit 0; fi
command=$1
[[ $1 == */* ]] || command=$(PATH=$path type -P -- "$1") || fail "$1: command not found"

variables=()
while IFS== read -r -d '' key value; do
  if [ $all ] || [[ $kept == *" $key "* || $key == LC_* ]]; then variables+=("$key=$value"); fi
done < <(env -0)
[ $all ] && [ -z $target_home ] || variables+=("HOME=$home")
variables+=("PATH=$path" "SHELL=$login" "USER=$name" "LOGNAME=$name" "MAIL=/var/mail/$name")
variables+=("SUDO_USER=$(id -un)" "SUDO_UID=$(id -u)" "SUDO_GID=$(id -g)" "SUDO_COMMAND=$command")
become=(${BECOME} --reuid="$uid" --regid="$gid" --init-groups --)
if [ ! -x ${BECOME} ]; then
  [ "$uid" = "$(id -u)" ] || fail 'the E2B simulator offers it only where it runs as root'
  become=()
fi
# Change the directory as the target user: only its owner may enter a home.
set -- "${$}{become[@]}" env -i ${$}{folder:+"--chdir=$folder"} "${$}{variables[@]}" "${$}{set_here[@]}" "$command" "${$}{@:2}"
if [ $background ]; then "$@" & exit; fi
exec "$@"
`;
