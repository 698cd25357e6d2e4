# shellcheck shell=sh disable=SC2086,SC2154
# Runs after `apt-sources.sh`: prints a line SUITE PACKAGE VERSION for every package of a kernel or its modules that the suites
# given as arguments offer. The cloud flavour: the same source, without drivers for hardware that no virtual machine
# has, and a third of the size.
configure "$@"
# A suite that this mirror lacks is no reason to know nothing of the others.
apt-get $OPTIONS update -o APT::Update::Error-Mode=any >&2 || echo "# some suites cannot be read"
apt-cache search --names-only '^linux-(image|binary|modules)-[0-9].*-cloud-amd64$' | cut -d ' ' -f 1 | xargs apt-cache madison |
    awk -F ' *[|] *' '{ split($3, where, "[ /]+"); for (i in where) if (where[i] == "main") print where[i - 1], $1, $2 }'
