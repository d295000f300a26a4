import uuid

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("routing", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="providerkey",
            name="uid",
            field=models.UUIDField(
                default=uuid.uuid4,
                editable=False,
                help_text="What the ciphertext is bound to.",
                unique=True,
            ),
        ),
        migrations.AlterField(
            model_name="provider",
            name="base_url",
            field=models.CharField(
                help_text="Up to and including the version, e.g. https://api.openai.com/v1",
                max_length=300,
                verbose_name="base URL",
            ),
        ),
        migrations.AlterField(
            model_name="routingrule",
            name="model_asked",
            field=models.CharField(
                default="auto",
                help_text="'auto' is the caller's leave to choose; a model's name or alias can only be refused.",
                max_length=120,
                verbose_name="when the caller asks for",
            ),
        ),
    ]
