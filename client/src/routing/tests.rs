//! Tests of which node is asked next, and when one is asked again.

use super::*;

fn address(letter: char) -> Address {
    Address::new(format!("{letter}:1")).expect("legal")
}

fn leader(letter: char) -> Leader {
    Leader { name: NodeName::new(letter).expect("legal"), address: address(letter) }
}

fn routes(given: &str) -> Routes {
    Routes::new(given.chars().map(address), true)
}

/// Returns the endpoint that `routes` selects after `tried`, with `connected`
/// connected; after a `+`, the endpoint to connect to meanwhile.
fn choice(routes: &Routes, route: Route, tried: &str, connected: &str, now_s: u64) -> String {
    let shown = |target: &RouteTarget| target.address.as_str().replace(":1", "");
    let tried: Vec<_> =
        tried.chars().map(|c| Arc::new(RouteTarget { address: address(c), name: None })).collect();
    let context = RouteContext {
        tried: &tried,
        connected: &|a| connected.chars().any(|c| address(c) == *a),
        news: false,
        now: Duration::from_secs(now_s),
    };
    let choice = routes.choose(route, &context).expect("there are endpoints");
    let connect = choice.connect.map(|target| format!("+{}", shown(&target))).unwrap_or_default();
    shown(&choice.target) + &connect
}

#[test]
fn without_a_leader_the_given_order_holds_and_each_gets_its_turn() {
    let routes = routes("abc");
    for (tried, expected) in [("", "a"), ("a", "b"), ("ab", "c"), ("abc", "a"), ("abca", "b")] {
        assert_eq!(choice(&routes, Route::Leader, tried, "", 0), expected, "tried {tried:?}");
        assert_eq!(choice(&routes, Route::First, tried, "", 0), expected, "tried {tried:?}");
    }
}

#[test]
fn the_leader_is_asked_directly_once_connected_and_through_others_until_then() {
    let mut routes = routes("abc");
    assert!(routes.heard_of_leader(&leader('c')));
    assert!(!routes.heard_of_leader(&leader('c')));
    for (connected, tried, expected) in [
        ("", "", "c"),
        ("a", "", "a+c"),
        ("ac", "", "c"),
        ("ac", "c", "a"),
        ("ac", "ca", "b"),
        ("abc", "cab", "a"),
    ] {
        assert_eq!(choice(&routes, Route::Leader, tried, connected, 0), expected, "{connected:?} {tried:?}");
    }
    assert_eq!(choice(&routes, Route::First, "", "c", 0), "a");
}

#[test]
fn a_connected_endpoint_that_did_well_is_kept() {
    let mut routes = routes("abc");
    routes.proved(&address('b'));
    assert_eq!(choice(&routes, Route::Leader, "", "ab", 0), "b");
    assert_eq!(choice(&routes, Route::Leader, "", "a", 0), "a");
    assert_eq!(choice(&routes, Route::First, "", "ab", 0), "a");
}

#[test]
fn an_endpoint_that_failed_is_tried_last_for_a_while() {
    let mut routes = routes("abc");
    routes.heard_of_leader(&leader('a'));
    routes.failed(&address('a'), Duration::ZERO);
    for (tried, expected) in [("", "b"), ("b", "c"), ("bc", "b"), ("bcb", "c"), ("bcbc", "a")] {
        assert_eq!(choice(&routes, Route::Leader, tried, "", 0), expected, "tried {tried:?}");
    }
    assert_eq!(choice(&routes, Route::Leader, "", "", 2), "a", "the while is over");
    routes.failed(&address('a'), Duration::from_secs(2));
    assert_eq!(choice(&routes, Route::Leader, "", "", 3), "b", "a longer while now");
    routes.revived(&address('a'));
    assert_eq!(choice(&routes, Route::Leader, "", "", 3), "a", "it came back");
    routes.failed(&address('a'), Duration::from_secs(3));
    assert_eq!(choice(&routes, Route::Leader, "", "", 3), "b");
    routes.heard_of_leader(&leader('c'));
    routes.heard_of_leader(&leader('a'));
    assert_eq!(choice(&routes, Route::Leader, "", "", 3), "a", "it was elected since");
}

#[test]
fn news_of_a_leader_goes_before_whose_turn_it_is() {
    let mut routes = routes("ab");
    routes.heard_of_leader(&leader('b'));
    let tried = [routes.places[1].target.clone()];
    let context = RouteContext { tried: &tried, connected: &|_| false, news: true, now: Duration::ZERO };
    assert_eq!(routes.choose(Route::Leader, &context).map(|c| c.target), Some(tried[0].clone()));
}

#[test]
fn a_leader_elsewhere_is_learned_with_its_name_and_a_given_endpoint_keeps_none() {
    let mut routes = routes("a");
    routes.heard_of_leader(&leader('z'));
    routes.heard_of_leader(&leader('a'));
    let names: Vec<_> = routes.targets().iter().map(|target| target.name.clone()).collect();
    assert_eq!(names, [None, Some(NodeName::new("z").expect("legal"))]);
    assert_eq!(routes.leader(Duration::ZERO), Some(&address('a')));
    assert_eq!(routes.leaders(), 2);
}

#[test]
fn a_client_that_shall_not_follow_asks_only_whom_it_was_given() {
    let mut routes = Routes::new([address('a')], false);
    assert!(!routes.heard_of_leader(&leader('z')));
    assert_eq!(choice(&routes, Route::Leader, "aaa", "z", 0), "a");
}

#[test]
fn untried_means_worth_asking_without_a_pause() {
    let mut routes = routes("ab");
    let untried = |routes: &Routes, tried: &str| {
        let tried: Vec<_> =
            tried.chars().map(|c| Arc::new(RouteTarget { address: address(c), name: None })).collect();
        let context = RouteContext { tried: &tried, connected: &|_| false, news: false, now: Duration::ZERO };
        routes.untried(&context)
    };
    assert!(untried(&routes, "a"));
    assert!(!untried(&routes, "ab"));
    routes.failed(&address('b'), Duration::ZERO);
    assert!(!untried(&routes, "a"), "one that failed is worth a pause");
    routes.failed(&address('a'), Duration::ZERO);
    assert!(untried(&routes, "a"), "unless all did");
}

#[test]
fn learned_endpoints_are_bounded() {
    let mut routes = routes("a");
    for n in 0..500 {
        let name = NodeName::new(format!("n{n}")).expect("legal");
        routes.learn(&name, &Address::new(format!("n{n}:1")).expect("legal"));
    }
    assert_eq!(routes.targets().len(), 1 + NODES_MAX);
    assert_eq!(routes.targets()[0].address, address('a'));
}
