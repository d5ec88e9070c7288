from tests.factories import ApiClient


def test_me_names_the_user_and_the_tenant(signed_in: ApiClient) -> None:
    answer = signed_in.get("/auth/me")
    assert answer.status_code == 200, answer.json
    assert answer.json["username"] == signed_in.user.username
    assert answer.json["tenant"]["id"] == str(signed_in.tenant_id)
