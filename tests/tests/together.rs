//! Changes that wait together: they share a turn, each is answered for itself, and none before all are in the store.

use acceptance::life::{self, Tenant};
use acceptance::native::Native;
use acceptance::run::Server as _;
use acceptance::store::{Backend, Fault, Verb};
use acceptance::world::World;
use http::Request;
use rollcall_core::connection::cache::FRESH;
use rollcall_core::http::{Begun, Body, Progress, WAITING_VALUES_MAX, Waiting};
use rollcall_core::keys::TenantId;
use rollcall_core::ledger::TAKEOVER_GUARDED;
use rollcall_core::settings::LIMITS;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

struct Setting {
    server: Native,
    tenant: Tenant,
}

impl Setting {
    fn on(backend: Backend) -> Setting {
        let mut server = Native::within(&World::on(backend, &BTreeMap::new()));
        let tenant = Tenant::connect(&mut server);
        Setting { server, tenant }
    }

    fn fork(&self) -> Setting {
        Setting { server: Native::within(&self.server.world.fork()), tenant: self.tenant.clone() }
    }

    fn create(&self, name: &str) -> Request<Vec<u8>> {
        self.tenant.request("POST", "/Users", Some(&life::user(name)))
    }

    /// Puts changes into a line; each of them would succeed as things are.
    fn line(&self, requests: Vec<Request<Vec<u8>>>) -> VecDeque<(Waiting, usize)> {
        let begin = |(place, request)| match self.server.rollcall.begin(request) {
            Begun::Waiting(change) => (change, place),
            Begun::Answered(answer) => panic!("{place}: answered with {}", answer.status()),
        };
        requests.into_iter().enumerate().map(begin).collect()
    }

    /// Has one turn, and answers what came of the line in it: statuses, in the order of the line.
    fn turn(&self, line: &mut VecDeque<(Waiting, usize)>) -> Vec<u16> {
        let id = TenantId::parse(&self.tenant.id).unwrap();
        let place = self.server.rollcall.queue(&id);
        loop {
            match self.server.rollcall.advance(&place, line) {
                Progress::Later(pause) => self.server.world.time.pass(pause),
                Progress::Answered(answers) => {
                    return answers.into_iter().map(|(_, answer)| answer.status().as_u16()).collect();
                }
            }
        }
    }

    fn names(&mut self) -> Vec<String> {
        let users = self.tenant.scim(&mut self.server, "GET", "/Users", None).expect(200).body;
        let names = users["Resources"].as_array().unwrap().iter();
        names.map(|user| user["userName"].as_str().unwrap().to_owned()).collect()
    }

    #[track_caller]
    fn check(&self, context: &str) {
        let id = TenantId::parse(&self.tenant.id).unwrap();
        assert_eq!(self.server.rollcall.check(&id), Ok(Vec::new()), "{context}");
    }
}

#[test]
fn they_have_the_seats_that_the_tenant_has_left() {
    let mut setting = Setting::on(Backend::SQLITE);
    setting.tenant.admin(&mut setting.server, "PATCH", "", Some(&json!({"seats": 2}))).expect(200);
    let mut line = setting.line(["a", "b", "c"].map(|name| setting.create(name)).to_vec());
    setting.server.world.store.forget_calls();
    assert_eq!(setting.turn(&mut line), [201, 201, 403]);
    let of_the_tenant = |key: &String| key.contains("r.tenant.");
    let reads = setting.server.world.store.calls().iter().filter(|call| call.keys.iter().any(of_the_tenant)).count();
    assert_eq!(reads, 1, "one look at the seats is enough");
    assert_eq!(setting.names(), ["a", "b"]);
    // The next turn looks anew.
    setting.tenant.admin(&mut setting.server, "PATCH", "", Some(&json!({"seats": 3}))).expect(200);
    let mut line = setting.line(vec![setting.create("c")]);
    assert_eq!(setting.turn(&mut line), [201]);
}

#[test]
fn they_share_one_turn_and_each_has_its_answer_and_its_record() {
    for backend in Backend::FIT {
        let mut setting = Setting::on(backend);
        let mut line = setting.line(["a", "b", "A", "c"].map(|name| setting.create(name)).to_vec());
        setting.server.world.store.forget_calls();
        assert_eq!(setting.turn(&mut line), [201, 201, 409, 201]);
        if backend == Backend::SQLITE {
            assert_eq!(setting.server.world.store.write_transactions(), 2);
        }
        assert_eq!(setting.names(), ["a", "b", "c"]);
        let records = setting.tenant.journal(&mut setting.server);
        let seen: Vec<(u64, bool)> = records
            .iter()
            .rev()
            .map(|record| (record["status"].as_u64().unwrap(), record["changed"] == true))
            .collect();
        assert_eq!(seen[..4], [(201, true), (201, true), (409, false), (201, true)]);
        setting.check(backend.name);
    }
}

#[test]
fn each_sees_those_before_it() {
    let mut setting = Setting::on(Backend::SQLITE);
    let made = setting.tenant.create(&mut setting.server, "alice").expect(201).text("/id");
    let patch =
        |operations: Value| setting.tenant.request("PATCH", &format!("/Users/{made}"), Some(&life::patch(&operations)));
    let title = patch(json!([{"op": "add", "path": "title", "value": "Boss"}]));
    let nick = patch(json!([{"op": "add", "path": "nickName", "value": "Al"}]));
    let rename = patch(json!([{"op": "replace", "path": "userName", "value": "bob"}]));
    let mut line = setting.line(vec![title, nick, rename, setting.create("x")]);
    // The name is free by then.
    let late = setting.server.rollcall.begin(setting.create("alice"));
    assert!(matches!(late, Begun::Answered(answer) if answer.status() == 409));
    assert_eq!(setting.turn(&mut line), [200, 200, 200, 201]);
    let user = setting.tenant.scim(&mut setting.server, "GET", &format!("/Users/{made}"), None).expect(200).body;
    assert_eq!([&user["title"], &user["nickName"], &user["userName"]], ["Boss", "Al", "bob"]);
    assert_eq!(user["meta"]["version"], "W/\"4\"");
    setting.check("after four changes");
}

#[test]
fn what_fails_has_left_nothing_and_can_be_sent_again() {
    for backend in Backend::FIT {
        let setting = Setting::on(backend);
        let prepared = setting.fork();
        let mut line = prepared.line(["a", "b"].map(|name| prepared.create(name)).to_vec());
        prepared.server.world.store.forget_calls();
        prepared.turn(&mut line);
        for step in 0..prepared.server.world.store.steps().len() {
            for fault in [Fault::Refused, Fault::Lost] {
                let context = format!("{}, {fault:?} at {step}", backend.name);
                let mut setting = setting.fork();
                let mut line = setting.line(["a", "b"].map(|name| setting.create(name)).to_vec());
                setting.server.world.store.forget_calls();
                setting.server.world.store.fail(step..step + 1, fault);
                let answers = setting.turn(&mut line);
                setting.server.world.store.forget_calls();
                // A read that fails is one change's; a commit that fails is everybody's.
                assert!(answers.iter().all(|status| [201, 503].contains(status)), "{context}: {answers:?}");
                setting.check(&context);
                let answered = |status: u16| {
                    let those = ["a", "b"].into_iter().zip(&answers).filter(move |(_, answer)| **answer == status);
                    those.map(|(name, _)| name.to_owned()).collect::<Vec<String>>()
                };
                assert_eq!(setting.names(), answered(201), "{context}");
                for (status, names) in [(409, answered(201)), (201, answered(503))] {
                    for name in names {
                        assert_eq!(setting.server.answer(setting.create(&name)).status(), status, "{context}: {name}");
                    }
                }
                setting.check(&context);
            }
        }
    }
}

#[test]
fn another_instance_that_comes_in_between_is_before_or_after_all_of_them() {
    for backend in Backend::FIT {
        let prepared = Setting::on(backend);
        let counted = prepared.fork();
        let mut line = counted.line(["a", "b"].map(|name| counted.create(name)).to_vec());
        counted.server.world.store.forget_calls();
        counted.turn(&mut line);
        for moment in counted.server.world.store.ends() {
            let mut setting = prepared.fork();
            let mut line = setting.line(["a", "b"].map(|name| setting.create(name)).to_vec());
            setting.server.world.store.forget_calls();
            let (world, request) = (setting.server.world.clone(), setting.create("B"));
            let other = Rc::new(RefCell::new(0));
            let kept = other.clone();
            let act = move || *kept.borrow_mut() = Native::within(&world).answer(request).status().as_u16();
            setting.server.world.store.interrupt_after(moment, act);
            let answers = setting.turn(&mut line);
            setting.server.world.store.forget_calls();
            let other = *other.borrow();
            let context = format!("{}, after {moment}: {answers:?}, {other}", backend.name);
            let fits = matches!(
                (answers.as_slice(), other),
                ([201, 201], 409 | 0) | ([201, 409] | [503, 503], 201) | ([201, 201], 503)
            );
            assert!(fits, "{context}");
            let names = setting.names();
            assert_eq!(names.iter().filter(|name| name.eq_ignore_ascii_case("b")).count(), 1, "{context}");
            setting.check(&context);
        }
    }
}

#[test]
fn who_holds_its_instance_up_has_the_turn_that_another_of_it_waits_for() {
    let setting = Rc::new(Setting::on(Backend::SQLITE));
    let counted = setting.fork();
    counted.server.world.store.forget_calls();
    counted.server.rollcall.handle(counted.create("theirs"));
    let steps = counted.server.world.store.steps();
    let asked = steps.iter().position(|verb| *verb == Verb::Increment).unwrap();

    // A change of ours asks for its number while another instance has the turn before it.
    let line = Rc::new(RefCell::new(setting.line(vec![setting.create("ours")])));
    let other = Native::within(&setting.server.world);
    let (here, waiting) = (setting.clone(), line.clone());
    setting.server.world.store.forget_calls();
    setting.server.world.store.interrupt_after(asked, move || {
        let place = here.server.rollcall.queue(&TenantId::parse(&here.tenant.id).unwrap());
        let progress = here.server.rollcall.advance(&place, &mut waiting.borrow_mut());
        assert!(matches!(progress, Progress::Later(_)));
    });
    assert_eq!(other.rollcall.handle(setting.create("theirs")).status(), 201);
    assert!(setting.server.world.store.was_interrupted());

    let begun = setting.server.world.time.passed();
    assert_eq!(setting.server.rollcall.handle(setting.create("at once")).status(), 201);
    assert!(setting.server.world.time.passed() - begun < TAKEOVER_GUARDED);
    assert_eq!(setting.turn(&mut line.borrow_mut()), [201]);
    assert!(setting.server.world.time.passed() - begun < TAKEOVER_GUARDED);
    setting.check("after three changes");
}

#[test]
fn no_more_than_the_limit_share_a_turn() {
    let setting = Setting::on(Backend::SQLITE);
    let names: Vec<String> = (0..=LIMITS.changes_together_max).map(|number| format!("user{number}")).collect();
    let mut line = setting.line(names.iter().map(|name| setting.create(name)).collect());
    assert_eq!(setting.turn(&mut line), vec![201; LIMITS.changes_together_max]);
    assert_eq!(line.len(), 1);
    assert_eq!(setting.turn(&mut line), [201]);
    assert!(line.is_empty());
    setting.check("after two turns");
}

#[test]
fn a_request_that_changes_nothing_waits_for_no_turn() {
    let mut setting = Setting::on(Backend::SQLITE);
    let made = setting.tenant.create(&mut setting.server, "alice").expect(201).text("/id");
    let same = life::patch(&json!([{"op": "replace", "path": "userName", "value": "alice"}]));
    let requests = [
        (setting.tenant.request("PATCH", &format!("/Users/{made}"), Some(&same)), 200),
        (setting.create("alice"), 409),
        (setting.tenant.request("DELETE", "/Users/nobody", None), 404),
        (setting.tenant.request("GET", "/Users", None), 200),
    ];
    for (request, status) in requests {
        match setting.server.rollcall.begin(request) {
            Begun::Answered(answer) => assert_eq!(answer.map(|_: Body| ()).status(), status),
            Begun::Waiting(_) => panic!("expected {status}"),
        }
    }
}

#[test]
fn a_change_whose_token_was_ended_while_it_waited_is_refused() {
    for by_another_instance in [false, true] {
        let mut setting = Setting::on(Backend::SQLITE);
        let mut line = setting.line(vec![setting.create("a@contoso.com")]);
        let mut other = Native::within(&setting.server.world);
        let ending = if by_another_instance { &mut other } else { &mut setting.server };
        setting.tenant.admin(ending, "DELETE", "/connection", None).expect(204);
        // An instance believes for so long what it has read.
        setting.server.world.time.pass(FRESH);
        assert_eq!(setting.turn(&mut line), [401]);
        let id = TenantId::parse(&setting.tenant.id).unwrap();
        assert_eq!(setting.server.rollcall.users(&id, 1, 10).unwrap().1, 0);
        let record = &setting.server.rollcall.records(&id, None, 1).unwrap().records[0];
        assert_eq!((record.status, record.path.as_str(), record.changed), (401, "/Users", false));
        setting.check("ended");
    }
}

#[test]
fn a_change_whose_tenant_got_a_schema_while_it_waited_is_prepared_anew_by_it() {
    const URN: &str = "urn:example:params:scim:staff:1.0:User";
    let mut setting = Setting::on(Backend::SQLITE);
    let create = |name: &str, own: Value| {
        let mut user = life::user(name);
        user[URN] = own;
        setting.tenant.request("POST", "/Users", Some(&user))
    };
    let mut line = setting.line(vec![
        create("a@contoso.com", json!({"floor": 3, "pin": "1234"})),
        create("b@contoso.com", json!({"floor": "third"})),
    ]);
    let schema = json!({"attributes": [
        {"name": "floor", "type": "integer"}, {"name": "pin", "returned": "never", "mutability": "writeOnly"}]});
    setting.tenant.admin(&mut setting.server, "PUT", &format!("/schemas/{URN}"), Some(&schema)).expect(201);
    assert_eq!(setting.turn(&mut line), [201, 400]);
    let users = setting.tenant.scim(&mut setting.server, "GET", "/Users", None).expect(200).body;
    assert_eq!((&users["totalResults"], &users["Resources"][0][URN]), (&json!(1), &json!({"floor": 3})));
    let id = TenantId::parse(&setting.tenant.id).unwrap();
    let records = setting.server.rollcall.records(&id, None, LIMITS.page_max).unwrap().records;
    let mut bodies = records.iter().filter_map(|record| record.request_body.as_deref());
    let body = bodies.find(|body| body.contains("pin"));
    assert!(body.is_some_and(|body| body.contains("\"floor\":3") && !body.contains("1234")), "{body:?}");
}

#[test]
fn a_group_that_waited_while_groups_were_switched_off_is_refused() {
    let mut setting = Setting::on(Backend::SQLITE);
    setting.tenant.admin(&mut setting.server, "PATCH", "/connection", Some(&json!({"groups": true}))).expect(200);
    let sales = json!({"displayName": "Sales"});
    let mut line = setting.line(vec![setting.tenant.request("POST", "/Groups", Some(&sales))]);
    setting.tenant.admin(&mut setting.server, "PATCH", "/connection", Some(&json!({"groups": false}))).expect(200);
    assert_eq!(setting.turn(&mut line), [501]);
}

#[test]
fn changes_wait_with_as_many_values_as_the_limit_allows_and_the_next_one_is_refused_until_they_are_gone() {
    let setting = Setting::on(Backend::SQLITE);
    // An attribute that no schema has is passed over, and its values are there until the change is carried out.
    let large = |name: &str| {
        let mut user = life::user(name);
        user["unknown"] = json!(vec![0; LIMITS.body_values_max - 100]);
        setting.tenant.request("POST", "/Users", Some(&user))
    };
    let room = WAITING_VALUES_MAX / LIMITS.body_values_max;
    let line = setting.line((0..room).map(|number| large(&format!("user{number}@contoso.com"))).collect());
    match setting.server.rollcall.begin(large("more@contoso.com")) {
        Begun::Answered(refused) => {
            assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].as_bytes()), (503, &b"1"[..]));
        }
        Begun::Waiting(_) => panic!("it waits with the others"),
    }
    assert!(matches!(setting.server.rollcall.begin(setting.create("small@contoso.com")), Begun::Waiting(_)));
    drop(line);
    assert!(matches!(setting.server.rollcall.begin(large("more@contoso.com")), Begun::Waiting(_)));
}
