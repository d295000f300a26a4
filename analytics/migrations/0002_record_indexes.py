"""Indexes for the admin's list, newest first over all tenants, and for finding one record by its id."""

from django.db import migrations

CREATE = """
CREATE INDEX analytics_requestrecord_started ON analytics_requestrecord (started_at);
CREATE INDEX analytics_requestrecord_id ON analytics_requestrecord (id);
"""
DROP = """
DROP INDEX analytics_requestrecord_started;
DROP INDEX analytics_requestrecord_id;
"""


class Migration(migrations.Migration):

    dependencies = [('analytics', '0001_initial')]

    operations = [migrations.RunSQL(CREATE, DROP)]
