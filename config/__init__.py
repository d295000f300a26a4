"""Project configuration: settings, entry points, the development stack."""
