#!/bin/sh
# Collects the static files with their hashed names. Settings insist on a production's values; these are of no
# use anywhere else, nothing is contacted, and none of them is left in an image.
set -eu
HALFPENNY_ENV=production ALLOWED_HOSTS=nowhere.invalid \
HALFPENNY_SECRET_KEY=for-static-files-only HALFPENNY_ENCRYPTION_KEY=Zm9yLXN0YXRpYy1maWxlcy1vbmx5LTAxMjM0NTY3ODk= \
DATABASE_URL=postgresql://nobody@127.0.0.1:1/none REDIS_CACHE_URL=redis://127.0.0.1:1/0 REDIS_STATE_URL=redis://127.0.0.1:2/0 \
    exec python manage.py collectstatic --noinput --verbosity 0
