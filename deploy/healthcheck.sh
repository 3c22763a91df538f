#!/usr/bin/env bash
# Whether the process whose metrics are on this loopback port is well: exit code 0 or 1.
#   deploy/healthcheck.sh PORT
set -euo pipefail
exec 3<>"/dev/tcp/127.0.0.1/$1"
printf 'GET /healthz HTTP/1.0\r\n\r\n' >&3
IFS=' ' read -r -t 5 _ status _ <&3
[[ $status == 200 ]]
