"""People who came over HTTP, and whose figures are known."""

from tests.support.api import Api
from tests.support.running import follow_to_head


def lively(api: Api) -> None:
    """Three people in Sweden, one of whom moves and one of whom leaves, and one in Norway; some agree to ads."""
    ann, bob, _, dan = (api.user_id(country=country) for country in ("SE", "SE", "SE", "NO"))
    api.admin.patch(f"/v1/users/{ann}", json={"country": "NO"})
    for user in (ann, bob, dan):
        api.admin.put(f"/v1/users/{user}/consents/ads", {"granted": True, "documentVersion": "1"})
    api.admin.put(f"/v1/users/{dan}/consents/ads", {"granted": False, "documentVersion": "1"})
    api.admin.put(f"/v1/users/{dan}/consents/research", {"granted": True, "documentVersion": "1"})
    api.admin.post(f"/v1/users/{bob}/deletion")
    follow_to_head(api.conninfo)
