import Testing

@testable import Jobs

/// Who is told of what and when, without a clock or a socket.
@Suite struct WebhookLedgerTests {
    private func makeLedger(_ limits: WebhookLedger.Limits = .init()) -> WebhookLedger {
        WebhookLedger(schedule: WebhookSchedule(), retentionMilliseconds: 3_600_000, limits: limits)
    }

    private func endpoint(_ id: String, owner: String = "ann") -> WebhookEndpoint {
        WebhookEndpoint(
            id: id, owner: owner, name: "", url: "https://example.com/", eventTypes: WebhookEvent.types, responses: .background,
            secrets: WebhookSecrets(.random()), createdAt: 0)
    }

    private func delivery(_ object: String, to endpoint: String = "e", owner: String = "ann", dueAt: Int = 0) -> WebhookDelivery {
        let event = WebhookEvent(type: "response.completed", owner: owner, objectID: object, createdAt: dueAt / 1000)
        return WebhookDelivery(event: event, endpointID: endpoint, dueAt: dueAt)
    }

    private func attempt(at time: Int, status: Int? = 200) -> WebhookDelivery.Attempt {
        WebhookDelivery.Attempt(at: time, milliseconds: 0, status: status, error: status == 200 ? nil : "status_503")
    }

    /// Attempts everything that is due, with the same result.
    private func attemptAll(_ ledger: inout WebhookLedger, at now: Int, _ verdict: WebhookLedger.Verdict) -> [String] {
        let started = ledger.startable(now: now)
        for delivery in started {
            let status = verdict == .delivered ? 200 : 503
            ledger.attempted(delivery.key, attempt(at: now, status: status), verdict, random: 0.5)
        }
        return started.map(\.event.objectID)
    }

    private func state(_ ledger: WebhookLedger, _ object: String, at endpoint: String = "e") -> WebhookDelivery.State? {
        ledger.deliveries(endpointID: endpoint, limit: 1000).first { $0.event.objectID == object }?.state
    }

    @Test func aDeliveryIsTriedUntilItArrives() {
        var ledger = makeLedger()
        ledger.put(endpoint("e"))
        ledger.admit(delivery("r"), isStored: false, now: 0)
        #expect(attemptAll(&ledger, at: 0, .failed(retryAfter: nil)) == ["r"])
        #expect(attemptAll(&ledger, at: 4999, .delivered).isEmpty && ledger.nextDueAt == 5000)
        #expect(attemptAll(&ledger, at: 5000, .failed(retryAfter: 100)) == ["r"])
        #expect(ledger.nextDueAt == 105_000 && ledger.endpoints["e"]?.failures == 2)
        #expect(attemptAll(&ledger, at: 105_000, .delivered) == ["r"])
        #expect(state(ledger, "r") == .delivered && ledger.pendingCount == 0 && ledger.nextDueAt == nil)
        #expect(ledger.endpoints["e"]?.failures == 0 && ledger.deliveries(endpointID: "e", limit: 1).first?.attemptCount == 3)
    }

    @Test func theSameEventIsTakenOnce() {
        var ledger = makeLedger()
        ledger.put(endpoint("e"))
        ledger.admit(delivery("r"), isStored: false, now: 0)
        ledger.admit(delivery("r"), isStored: false, now: 0)
        #expect(attemptAll(&ledger, at: 0, .delivered) == ["r"])
        ledger.admit(delivery("r"), isStored: false, now: 0)
        #expect(attemptAll(&ledger, at: 1, .delivered).isEmpty)
    }

    @Test func anEndpointThatIsGoneIsDisabledAtOnce() {
        var ledger = makeLedger()
        ledger.put(endpoint("e"))
        ledger.admit(delivery("r"), isStored: false, now: 0)
        ledger.admit(delivery("later", dueAt: 50), isStored: false, now: 0)
        #expect(attemptAll(&ledger, at: 1, .gone) == ["r"])
        guard case .disabled(_, let reason) = ledger.endpoints["e"]?.state else {
            Issue.record("it is enabled")
            return
        }
        #expect(reason.contains("410") && state(ledger, "r") == .failed)
        // What waits is held, not lost, and goes on when the endpoint is enabled again.
        #expect(ledger.startable(now: 100).isEmpty && state(ledger, "later") == .pending)
        var revived = endpoint("e")
        revived.state = .enabled
        ledger.put(revived)
        #expect(attemptAll(&ledger, at: 200, .delivered) == ["later"])
    }

    @Test func anEndpointThatFailedForAllAttemptsOfADeliveryIsDead() {
        var ledger = makeLedger()
        ledger.put(endpoint("e"))
        ledger.admit(delivery("r"), isStored: false, now: 0)
        var now = 0
        var attempts = 0
        while let dueAt = ledger.nextDueAt {
            now = dueAt
            attempts += attemptAll(&ledger, at: now, .failed(retryAfter: nil)).count
        }
        #expect(attempts == WebhookSchedule.attemptCount && ledger.endpoints["e"]?.isEnabled == false)
        #expect(state(ledger, "r") == .failed && now > 23 * 3_600_000)
    }

    @Test func oneThatTookOtherEventsMeanwhileIsNot() {
        var ledger = makeLedger()
        ledger.put(endpoint("e"))
        ledger.admit(delivery("poison"), isStored: false, now: 0)
        var now = 0
        while state(ledger, "poison") == .pending {
            _ = attemptAll(&ledger, at: now, .failed(retryAfter: nil))
            now = max(now + 1, ledger.nextDueAt ?? 0)
            ledger.admit(delivery("good\(now)", dueAt: now - 1), isStored: false, now: now)
            _ = attemptAll(&ledger, at: now - 1, .delivered)
        }
        #expect(state(ledger, "poison") == .failed && ledger.endpoints["e"]?.isEnabled == true)
    }

    @Test func endpointsTakeTurnsAndAreBounded() {
        var ledger = makeLedger(.init(inFlightPerEndpoint: 2, inFlight: 3))
        ledger.put(endpoint("a"))
        ledger.put(endpoint("b"))
        for number in 0..<5 { ledger.admit(delivery("a\(number)", to: "a"), isStored: false, now: 0) }
        for number in 0..<5 { ledger.admit(delivery("b\(number)", to: "b"), isStored: false, now: 0) }
        let first = ledger.startable(now: 0)
        #expect(first.count == 3 && Set(first.map(\.endpointID)) == ["a", "b"])
        #expect(ledger.startable(now: 0).isEmpty)
        var seen = Set(first.map(\.event.objectID))
        var underWay = first
        while let done = underWay.popLast() {
            ledger.attempted(done.key, attempt(at: 1), .delivered, random: 0)
            let next = ledger.startable(now: 1)
            #expect(ledger.inFlightCount <= 3)
            for endpoint in ["a", "b"] { #expect((underWay + next).count { $0.endpointID == endpoint } <= 2) }
            seen.formUnion(next.map(\.event.objectID))
            underWay += next
        }
        #expect(seen.count == 10 && ledger.inFlightCount == 0 && ledger.pendingCount == 0)
    }

    @Test func receiversOfOneOwnerThatHangKeepNoOtherWaiting() {
        var ledger = makeLedger(.init(inFlightPerEndpoint: 4, inFlightPerOwner: 16, inFlight: 64))
        for number in 0..<100 {
            ledger.put(endpoint("ann\(number)"))
            for event in 0..<10 { ledger.admit(delivery("\(number)-\(event)", to: "ann\(number)"), isStored: false, now: 0) }
        }
        #expect(ledger.startable(now: 0).count == 16, "an owner has its share under way, and no more")
        ledger.put(endpoint("b", owner: "bob"))
        for event in 0..<20 { ledger.admit(delivery("b\(event)", to: "b", owner: "bob"), isStored: false, now: 0) }
        #expect(ledger.startable(now: 0).map(\.endpointID) == Array(repeating: "b", count: 4))
    }

    @Test func anOwnerWithNothingUnderWayIsServedAlsoWhenAllIsTaken() {
        var ledger = makeLedger(.init(inFlightPerEndpoint: 4, inFlightPerOwner: 4, inFlight: 8))
        for owner in 0..<3 {
            ledger.put(endpoint("e\(owner)", owner: "o\(owner)"))
            for event in 0..<9 {
                ledger.admit(delivery("\(owner)-\(event)", to: "e\(owner)", owner: "o\(owner)"), isStored: false, now: 0)
            }
        }
        let taken = ledger.startable(now: 0)
        #expect(taken.count == 8 && Set(taken.map(\.endpointID)).count == 3, "owners take turns")
        ledger.put(endpoint("late", owner: "late"))
        for event in 0..<9 { ledger.admit(delivery("l\(event)", to: "late", owner: "late"), isStored: false, now: 0) }
        #expect(ledger.startable(now: 0).map(\.endpointID) == ["late"])
        #expect(ledger.startable(now: 0).isEmpty)
        // What ends makes room for those that wait, in their turn; nothing is lost or begun twice.
        var underWay = taken
        var seen = Set(taken.map(\.event.objectID))
        while let done = underWay.popLast() {
            ledger.attempted(done.key, attempt(at: 1), .delivered, random: 0)
            let next = ledger.startable(now: 1)
            for delivery in next { #expect(seen.insert(delivery.event.objectID).inserted) }
            underWay += next
            #expect(ledger.inFlightCount <= 12)
        }
        #expect(seen.count >= 27 + 8)
    }

    @Test func theOldestOfAnOwnerAreDroppedAndShown() {
        var ledger = makeLedger(.init(pendingPerOwner: 2))
        ledger.put(endpoint("e"))
        ledger.put(endpoint("o", owner: "bob"))
        ledger.admit(delivery("other", to: "o", owner: "bob", dueAt: 10), isStored: false, now: 0)
        for object in ["1", "2", "3", "4"] { ledger.admit(delivery(object, dueAt: 10), isStored: false, now: 0) }
        #expect(["1", "2", "3", "4"].map { state(ledger, $0) } == [.dropped, .dropped, .pending, .pending])
        #expect(state(ledger, "other", at: "o") == .pending && ledger.droppedCount == 2 && ledger.pendingCount == 3)
        #expect(Set(attemptAll(&ledger, at: 10, .delivered)) == ["3", "4", "other"])
    }

    @Test func aDroppedDeliveryCanBeSentAgain() {
        var ledger = makeLedger(.init(pendingPerOwner: 1))
        ledger.put(endpoint("e"))
        ledger.admit(delivery("1"), isStored: false, now: 0)
        ledger.admit(delivery("2"), isStored: false, now: 0)
        #expect(attemptAll(&ledger, at: 0, .delivered) == ["2"])
        let id = delivery("1").event.id
        #expect(ledger.redeliver(eventID: id, owner: "bob", endpointID: nil, now: 1) == 0)
        #expect(ledger.redeliver(eventID: id, owner: "ann", endpointID: "x", now: 1) == 0)
        #expect(ledger.redeliver(eventID: id, owner: "ann", endpointID: nil, now: 1) == 1)
        #expect(attemptAll(&ledger, at: 1, .delivered) == ["1"] && state(ledger, "1") == .delivered)
    }

    @Test func aDeletedEndpointLeavesNothingBehind() {
        var ledger = makeLedger()
        ledger.put(endpoint("e"))
        ledger.admit(delivery("1"), isStored: false, now: 0)
        ledger.admit(delivery("2", dueAt: 100), isStored: false, now: 0)
        let started = ledger.startable(now: 0)
        ledger.remove("e")
        ledger.attempted(started[0].key, attempt(at: 1), .failed(retryAfter: nil), random: 0)
        #expect(ledger.inFlightCount == 0 && ledger.pendingCount == 0)
        #expect(ledger.startable(now: 1000).isEmpty && ledger.nextDueAt == nil)
    }

    @Test func whatIsOverIsKeptForATimeAndUpToANumber() {
        var ledger = makeLedger(.init(finishedPerEndpoint: 3))
        ledger.put(endpoint("e"))
        for number in 0..<5 { ledger.admit(delivery("\(number)"), isStored: false, now: 0) }
        while !attemptAll(&ledger, at: 0, .delivered).isEmpty {}
        #expect(ledger.deliveries(endpointID: "e", limit: 10).count == 3)
        ledger.sweep(now: 3_600_000)
        #expect(ledger.deliveries(endpointID: "e", limit: 10).count == 3)
        ledger.sweep(now: 3_600_001)
        #expect(ledger.deliveries(endpointID: "e", limit: 10).isEmpty)
    }

    @Test func aSampleIsShownAndNeverTriedAgain() {
        var ledger = makeLedger()
        ledger.put(endpoint("e"))
        let sample = WebhookEvent.sample(type: "batch.failed", owner: "ann", createdAt: 0)
        ledger.tested(sample, endpointID: "e", attempt(at: 0, status: 503), .failed(retryAfter: nil))
        #expect(ledger.startable(now: .max).isEmpty && ledger.endpoints["e"]?.failures == 0)
        let shown = ledger.deliveries(endpointID: "e", limit: 10)
        #expect(shown.map(\.state) == [.failed] && shown.first?.event.isTest == true)
        #expect(ledger.redeliver(eventID: sample.id, owner: "ann", endpointID: nil, now: 0) == 0)
    }

    /// What a crash leaves: the changes alone bring the same ledger back.
    @Test func aLedgerComesBackFromItsChanges() {
        var ledger = makeLedger()
        ledger.put(endpoint("e"))
        for number in 0..<3 { ledger.admit(delivery("\(number)", dueAt: number), isStored: false, now: 0) }
        _ = attemptAll(&ledger, at: 0, .delivered)
        _ = attemptAll(&ledger, at: 1, .failed(retryAfter: nil))
        _ = ledger.startable(now: 2)
        var endpoints: [WebhookEndpoint] = []
        var deliveries: [WebhookDelivery.Key: WebhookDelivery] = [:]
        for change in ledger.takeChanges() {
            switch change {
            case .put(let endpoint): endpoints = [endpoint]
            case .removeEndpoint: endpoints = []
            case .add(let delivery), .update(let delivery): deliveries[delivery.key] = delivery
            case .remove(let key): deliveries[key] = nil
            }
        }
        var restored = makeLedger()
        for endpoint in endpoints { restored.put(endpoint) }
        for delivery in deliveries.values { restored.admit(delivery, isStored: true, now: 3) }
        #expect(restored.pendingCount == 2 && attemptAll(&restored, at: 3, .delivered) == ["2"])
        #expect(attemptAll(&restored, at: 5001, .delivered) == ["1"])
    }
}
