# setup ROOT LOGIN: what every host needs once: the folder of the record, for the group that may use
# Docker. Says a line for each thing: made, kept, or left for a person. Needs no function of ours:
# `deploy setup --print` shows it as it is.
setup_root=$1 setup_login=$2
# `-`: whoever logged in to become root, or is here.
[ "$setup_login" != - ] || setup_login=${SUDO_USER:-$(id -un)}
setup_group=
[ ! -S /var/run/docker.sock ] || setup_group=$(stat -c %G /var/run/docker.sock 2>/dev/null)
case $setup_group in
'' | root | UNKNOWN)
  setup_group=docker
  grep -q '^docker:' /etc/group 2>/dev/null || setup_group=$(id -gn "$setup_login" 2>/dev/null)
  ;;
esac
if [ -z "$setup_group" ]; then
  printf 'left %s: there is no login %s on this host\n' "$setup_root" "$setup_login"
elif [ "$(stat -c '%a %G' "$setup_root" 2>/dev/null)" = "2770 $setup_group" ]; then
  printf 'kept %s: mode 2770, group %s\n' "$setup_root" "$setup_group"
elif setup_said=$({ [ -d "$setup_root" ] || mkdir -p -m 2770 "$setup_root"; } 2>&1 &&
  chgrp "$setup_group" "$setup_root" 2>&1 && chmod 2770 "$setup_root" 2>&1) &&
  [ "$(stat -c '%a %G' "$setup_root")" = "2770 $setup_group" ]; then
  printf 'made %s: mode 2770, group %s\n' "$setup_root" "$setup_group"
else
  printf 'left %s: %s\n' "$setup_root" "$(printf '%s' "$setup_said" | tail -n 1)"
fi
case " $(id -nG "$setup_login" 2>/dev/null) " in
*" root "* | *" $setup_group "*) ;;
*) printf 'left %s: it is not in the group %s; usermod -aG %s %s\n' "$setup_login" "$setup_group" "$setup_group" "$setup_login" ;;
esac
