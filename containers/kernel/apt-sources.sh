# shellcheck shell=sh
# Sourced: Debian's archive as the base image knows it, but other suites of it.

# Release files of old and of moving suites are past their valid-until date wherever a mirror lags.
# shellcheck disable=SC2034 # whoever sources this uses it
OPTIONS="-q -o Acquire::Check-Valid-Until=false -o Acquire::Languages=none -o APT::Sandbox::User=root"

# configure SUITE...: from now on apt sees these suites and no others, on the mirrors that the image came with.
configure() {
    # shellcheck disable=SC2016 # apt's own variables
    targets=$(apt-get indextargets --no-release-info --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages')
    security=$(echo "$targets" | awk '$1 ~ /-security$/ { print $2; exit }')
    main=$(echo "$targets" | awk '$1 !~ /-security$/ { print $2; exit }')
    rm -f /etc/apt/sources.list.d/*
    : >/etc/apt/sources.list
    for suite in "$@"; do
        case $suite in
            *-security) mirror=$security ;;
            *) mirror=$main ;;
        esac
        [ -z "$mirror" ] || echo "deb $mirror $suite main" >>/etc/apt/sources.list
    done
}
