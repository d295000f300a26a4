from django.db import migrations

CREATE_INDEX = """
CREATE INDEX CONCURRENTLY IF NOT EXISTS caching_cacheentry_aliases ON caching_cacheentry (tenant_id, alias_of)
    WHERE alias_of IS NOT NULL
"""


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('caching', '0005_tombstones_by_question'),
    ]

    operations = [
        migrations.RunSQL(CREATE_INDEX, 'DROP INDEX CONCURRENTLY IF EXISTS caching_cacheentry_aliases'),
    ]
