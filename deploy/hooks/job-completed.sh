#!/bin/sh
# Tells the gateway that the job of this machine is over. GitHub Actions: ACTIONS_RUNNER_HOOK_JOB_COMPLETED names this
# file. The job may have changed its environment: nothing of that is used but SALLYPORT_URL, and it never fails the job.

set -u
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
unset LD_PRELOAD LD_LIBRARY_PATH CURL_HOME
url="${SALLYPORT_URL:-http://sallyport.internal:9441}/runner/v1/claims"

for family in -4 -6; do
  curl -q -s "$family" --noproxy '*' --connect-timeout 2 --max-time 4 -o /dev/null -X DELETE "$url" 2>/dev/null || :
done
exit 0
