import pytest

from caching.languages import reads_as_english


@pytest.mark.parametrize(
    "text",
    [
        "How do I reset my password?",
        "captial of Kazakstan",
        "pip install django",
        "SELECT * FROM users WHERE id = 3",
        "What does 'c'est la vie' mean?",
        "Who is Leonardo da Vinci?",
        "Where is the cafe in El Paso?",
        "Rio de Janeiro and Charles de Gaulle",
        "flights Los Angeles to Las Vegas",
        "Explain the difference between der, die and das in German",
        "42",
        "",
    ],
)
def test_english_names_and_code_count_as_english(text: str) -> None:
    assert reads_as_english(text)


@pytest.mark.parametrize(
    "text",
    [
        "Wie kann ich mein Passwort zurücksetzen?",
        "Was ist die Hauptstadt von Frankreich und wo liegt sie?",
        "Comment puis-je changer mon mot de passe ?",
        "Comment activer les messages ?",
        "¿Cómo puedo cambiar mi contraseña en la aplicación?",
        "Come posso cambiare la mia password senza il telefono?",
        "Como posso mudar a minha senha com o telefone?",
        "Hoe kan ik mijn wachtwoord wijzigen?",
        "Как мне сменить пароль?",
        "如何重置我的密码？",
        "كيف أغير كلمة المرور؟",
    ],
)
def test_other_languages_are_told(text: str) -> None:
    assert not reads_as_english(text)
