"""What a provider cached, what a model thought, whether we counted, and when the first token came."""

from django.db import migrations, models

# Not NOT NULL: ingest of the release before runs on for a while, and what it copies its rows to has the columns
# of this table, but none of their defaults. Adding columns with defaults that are constants rewrites no rows.
ADD = """
ALTER TABLE analytics_requestrecord
    ADD COLUMN cached_input_tokens integer DEFAULT 0,
    ADD COLUMN reasoning_tokens integer DEFAULT 0,
    ADD COLUMN estimated boolean DEFAULT false,
    ADD COLUMN first_token_ms double precision;
"""
DROP = """
ALTER TABLE analytics_requestrecord
    DROP COLUMN cached_input_tokens,
    DROP COLUMN reasoning_tokens,
    DROP COLUMN estimated,
    DROP COLUMN first_token_ms;
"""


class Migration(migrations.Migration):
    dependencies = [("analytics", "0002_record_indexes")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AddField(
                    model_name="requestrecord",
                    name="cached_input_tokens",
                    field=models.PositiveIntegerField(
                        default=0,
                        help_text="The part of the input that the provider read from its own cache.",
                    ),
                ),
                migrations.AddField(
                    model_name="requestrecord",
                    name="reasoning_tokens",
                    field=models.PositiveIntegerField(
                        default=0, help_text="The part of the output that the model spent on thinking."
                    ),
                ),
                migrations.AddField(
                    model_name="requestrecord",
                    name="estimated",
                    field=models.BooleanField(
                        default=False,
                        help_text="The provider gave no usable usage: the tokens are our own count.",
                    ),
                ),
                migrations.AddField(
                    model_name="requestrecord",
                    name="first_token_ms",
                    field=models.FloatField(null=True),
                ),
            ],
            database_operations=[migrations.RunSQL(ADD, DROP)],
        ),
    ]
