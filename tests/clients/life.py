"""A life of users and groups as scim2-client lives it, which reads /Schemas first and checks every answer against it.

SCIM_URL and SCIM_TOKEN say which tenant: one of the preset `generic`, with groups switched on.
"""

import os
import unittest

from httpx2 import Client
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_models import PatchOp, PatchOperation, ResponseParameters, SearchRequest
from scim2_models.exceptions import (
    InvalidFilterException,
    InvalidValueException,
    MutabilityException,
    NotFoundException,
    PreconditionFailedException,
    UniquenessException,
)

URL = os.environ["SCIM_URL"]
TOKEN = os.environ["SCIM_TOKEN"]


class Life(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        http = Client(base_url=URL, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30, trust_env=False)
        cls.addClassCleanup(http.close)
        cls.scim = SyncSCIMClient(http)
        cls.scim.discover()
        cls.User = cls.scim.get_resource_model("User")
        cls.Group = cls.scim.get_resource_model("Group")

    def patch(self, of, resource, *operations):
        patch = PatchOp[of](operations=[PatchOperation(**operation) for operation in operations])
        self.scim.modify(resource, patch)
        return self.scim.query(of, resource.id)

    def user(self, user_name, **attributes):
        return self.scim.create(self.User(user_name=user_name, **attributes))

    def found(self, of, filter):
        return self.scim.query(of, query_parameters=SearchRequest[of](filter=filter)).resources or []

    def test_the_server_says_what_it_can_do(self):
        config = self.scim.provider.config
        self.assertTrue(config.patch.supported and config.filter.supported and config.etag.supported)
        self.assertEqual({"User", "Group"}, {one.name for one in self.scim.provider.resource_types})

    def test_a_user_is_created_matched_changed_and_deleted(self):
        self.assertEqual([], self.found(self.User, 'userName eq "ada@example.com"'))
        ada = self.user("ada@example.com", external_id="e-1", display_name="Ada", active=True,
                        name={"givenName": "Ada", "familyName": "Lovelace"},
                        emails=[{"value": "ada@example.com", "type": "work", "primary": True}])
        self.assertTrue(ada.id and ada.meta.location.endswith(f"/Users/{ada.id}") and ada.meta.version)
        for match in ('userName eq "ADA@example.com"', 'externalId eq "e-1"', 'emails[type eq "work"].value sw "ada"'):
            self.assertEqual([ada.id], [user.id for user in self.found(self.User, match)], match)

        ada = self.patch(self.User, ada,
                         {"op": "replace", "path": "displayName", "value": "Ada King"},
                         {"op": "add", "path": "emails", "value": [{"value": "ada@home.example", "type": "home"}]},
                         {"op": "replace", "path": "active", "value": False})
        self.assertEqual(("Ada King", False, 2), (ada.display_name, ada.active, len(ada.emails)))
        ada = self.patch(self.User, ada, {"op": "remove", "path": 'emails[type eq "home"]'})
        self.assertEqual(["ada@example.com"], [email.value for email in ada.emails])

        ada.display_name, ada.active, ada.emails = "Countess", True, None
        ada = self.scim.replace(ada)
        self.assertEqual(("Countess", True, None), (ada.display_name, ada.active, ada.emails))
        self.scim.delete(ada)
        with self.assertRaises(NotFoundException):
            self.scim.query(self.User, ada.id)
        self.assertEqual("ada@example.com", self.user("ada@example.com").user_name, "the name is free again")

    def test_what_is_wrong_is_refused_in_the_words_of_the_rfc(self):
        self.user("bob@example.com")
        with self.assertRaises(UniquenessException):
            self.user("Bob@Example.com")
        with self.assertRaises(InvalidFilterException):
            self.scim.query(self.User, query_parameters={"filter": "userName is great"}, check_request_payload=False)
        with self.assertRaises(InvalidValueException):
            self.scim.create(self.User, {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "x", "active": "yes"},
                             check_request_payload=False)
        carl = self.user("carl@example.com")
        with self.assertRaises(MutabilityException):
            self.scim.modify(carl, {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
                                    "Operations": [{"op": "replace", "path": "id", "value": "1"}]}, check_request_payload=False)

    def test_a_version_that_is_not_the_latest_is_refused(self):
        # The client sends the version that it has read as If-Match by itself.
        first = self.user("dora@example.com", display_name="1")
        second = self.scim.query(self.User, first.id)
        second.display_name = "2"
        self.scim.replace(second)
        first.display_name = "3"
        with self.assertRaises(PreconditionFailedException):
            self.scim.replace(first)
        self.assertEqual("2", self.scim.query(self.User, first.id).display_name)

    def test_a_group_has_members_and_its_users_know_it(self):
        eve, fay, gus = (self.user(f"{name}@example.com") for name in ("eve", "fay", "gus"))
        group = self.scim.create(self.Group(display_name="Readers", members=[{"value": eve.id}]))
        group = self.patch(self.Group, group, {"op": "add", "path": "members", "value": [{"value": fay.id}, {"value": gus.id}]})
        self.assertEqual([eve.id, fay.id, gus.id], [member.value for member in group.members])
        self.assertEqual(["Readers"], [one.display for one in self.scim.query(self.User, gus.id).groups])
        group = self.patch(self.Group, group, {"op": "remove", "path": f'members[value eq "{fay.id}"]'})
        self.assertEqual([eve.id, gus.id], [member.value for member in group.members])
        self.scim.delete(self.User, gus.id)
        self.assertEqual([eve.id], [member.value for member in self.scim.query(self.Group, group.id).members])
        lean = self.scim.query(self.Group, group.id, ResponseParameters[self.Group](excluded_attributes=["members"]))
        self.assertEqual(("Readers", None), (lean.display_name, lean.members))

        readers = self.scim.create(self.Group(display_name="Everybody", members=[{"value": group.id}]))
        self.assertEqual({"direct", "indirect"}, {one.type for one in self.scim.query(self.User, eve.id).groups})
        whole = self.scim.query(self.Group, group.id)
        whole.display_name, whole.members = "Nobody", None
        self.assertEqual(("Nobody", None), (self.scim.replace(whole).display_name, self.scim.query(self.Group, group.id).members))
        for one in (group, readers):
            self.scim.delete(self.Group, one.id)
        self.assertEqual([], self.found(self.Group, 'displayName eq "Nobody"'))

    def test_pages_give_each_user_once_in_order(self):
        names = [f"page{i:02}@example.com" for i in range(23)]
        for name in reversed(names):
            self.user(name)
        seen, start = [], 1
        while True:
            page = self.scim.query(self.User, query_parameters=SearchRequest[self.User](
                filter='userName sw "page"', sort_by="userName", start_index=start, count=5, attributes=["userName"]))
            self.assertEqual(23, page.total_results)
            seen += [user.user_name for user in page.resources or []]
            start += page.items_per_page
            if start > page.total_results:
                break
        self.assertEqual(names, seen)
        searched = self.scim.search(SearchRequest(filter='userName sw "page2"', count=100))
        self.assertEqual({"page20@example.com", "page21@example.com", "page22@example.com"},
                         {user.user_name for user in searched.resources})
        none = self.scim.query(self.User, query_parameters=SearchRequest[self.User](filter='userName sw "page"', count=0))
        self.assertEqual((23, None), (none.total_results, none.resources or None))

    def test_a_bulk_request_makes_a_group_of_users_that_it_makes(self):
        bulk = {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
            "Operations": [
                {"method": "POST", "path": "/Groups", "bulkId": "g", "data": {
                    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "Bulk",
                    "members": [{"value": "bulkId:u"}]}},
                {"method": "POST", "path": "/Users", "bulkId": "u", "data": {
                    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "bulk@example.com"}},
            ],
        }
        answer = self.scim.bulk(bulk, check_request_payload=False)
        self.assertEqual([201, 201], [int(operation.status) for operation in answer.operations])
        [group] = self.found(self.Group, 'displayName eq "Bulk"')
        [user] = self.found(self.User, 'userName eq "bulk@example.com"')
        self.assertEqual([user.id], [member.value for member in group.members])


if __name__ == "__main__":
    unittest.main(verbosity=2)
