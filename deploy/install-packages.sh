#!/usr/bin/env bash
# Installs those packages of packages.txt that are missing. Asks for root only when something is.
set -euo pipefail
cd "$(dirname "$0")"

missing=()
while read -r package; do
  [[ -z $package || $package == \#* ]] && continue
  status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [[ $status == installed ]] || missing+=("$package")
done < packages.txt
((${#missing[@]} == 0)) && exit 0

echo "Installing ${#missing[@]} Debian packages: ${missing[*]}"
as_root=()
if ((EUID != 0)); then
  command -v sudo >/dev/null || { echo "Not root, and there is no sudo: install them first." >&2; exit 69; }
  as_root=(sudo)
fi
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
