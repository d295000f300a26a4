from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('caching', '0003_trust'),
        ('tenants', '0001_initial'),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='tombstone',
            name='caching_tom_tenant__d0fc82_idx',
        ),
        migrations.AddField(
            model_name='tombstone',
            name='fingerprint',
            field=models.BinaryField(default=b'', max_length=32),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='tombstone',
            name='scope',
            field=models.BinaryField(default=b'', max_length=32),
            preserve_default=False,
        ),
        migrations.AlterField(
            model_name='tombstone',
            name='entry',
            field=models.UUIDField(help_text='The entry when it was buried.'),
        ),
        migrations.AddIndex(
            model_name='tombstone',
            index=models.Index(fields=['tenant', 'scope'], name='caching_tom_tenant__6f8867_idx'),
        ),
        migrations.AddIndex(
            model_name='tombstone',
            index=models.Index(fields=['created_at'], name='caching_tom_created_6a76eb_idx'),
        ),
        migrations.AddConstraint(
            model_name='tombstone',
            constraint=models.UniqueConstraint(fields=('tenant', 'request_id', 'fingerprint'), name='caching_tombstone_once'),
        ),
    ]
