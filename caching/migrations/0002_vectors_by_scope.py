from django.db import migrations

# A scope is read out of this index alone: its vectors lie side by side, where the table's rows lie far apart.
# Partial, as the vector index is: other embedders' vectors may be larger than an index row may be.
CREATE_INDEX = """
CREATE INDEX CONCURRENTLY IF NOT EXISTS caching_cacheentry_minilm_scope ON caching_cacheentry (tenant_id, scope)
    INCLUDE (id, expires_at, vector) WHERE embedder_id = 'all-MiniLM-L6-v2'
"""
# Rows of pages that were not vacuumed since are fetched from the table one by one, at five times the cost.
VACUUM_OFTEN = """
ALTER TABLE caching_cacheentry SET (autovacuum_vacuum_insert_scale_factor = 0.02,
    autovacuum_vacuum_insert_threshold = 500, autovacuum_vacuum_scale_factor = 0.05)
"""


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('caching', '0001_initial'),
    ]

    operations = [
        migrations.RunSQL(CREATE_INDEX, 'DROP INDEX CONCURRENTLY IF EXISTS caching_cacheentry_minilm_scope'),
        migrations.RunSQL(VACUUM_OFTEN, migrations.RunSQL.noop),
    ]
