import Storage
import Testing

@testable import API

/// Who loses names when there are too many.
@Suite struct IdempotencyNamesTests {
    private func record(_ owner: String, _ key: String, bytes: Int? = nil, at time: Int = 0) -> IdempotencyRecord {
        var record = IdempotencyRecord(owner: owner, key: key, fingerprint: [], responseID: nil, createdAt: time)
        if let bytes {
            record.answer = [UInt8](repeating: 0, count: bytes)
            record.status = 200
        }
        return record
    }

    private func knows(_ names: IdempotencyNames, _ owner: String, _ key: String) -> Bool {
        names[.init(owner: owner, key: key)] != nil
    }

    @Test func anOwnerBeyondItsBoundLosesItsOwnOldest() {
        var names = IdempotencyNames(limits: .init(count: 100, ownerCount: 10))
        _ = names.insert(record("bob", "only"))
        for number in 0..<50 {
            let gone = names.insert(record("ada", "\(number)"))
            #expect(gone.map(\.key) == (number < 10 ? [] : ["\(number - 10)"]))
        }
        #expect(names.count == 11 && knows(names, "bob", "only") && knows(names, "ada", "49"))
    }

    @Test func whoHasMostMakesRoomForAll() {
        var names = IdempotencyNames(limits: .init(count: 20, ownerCount: 18))
        for number in 0..<15 { _ = names.insert(record("ada", "\(number)")) }
        for number in 0..<5 { _ = names.insert(record("bob", "\(number)")) }
        #expect(names.insert(record("cleo", "0")).map(\.owner) == ["ada"])
        for number in 5..<12 { #expect(names.insert(record("bob", "\(number)")).map(\.owner) != ["cleo"]) }
        #expect(names.count == 20 && knows(names, "cleo", "0") && knows(names, "bob", "11"))
    }

    @Test func manyOwnersWithOneNameEachLoseOneForOne() {
        var names = IdempotencyNames(limits: .init(count: 10, ownerCount: 10))
        for number in 0..<30 { _ = names.insert(record("owner \(number)", "only")) }
        #expect(names.count == 10)
    }

    @Test func largeAnswersOfOneOwnerCostNobodyElseAName() {
        var names = IdempotencyNames(limits: .init(answerBytes: 4000, ownerAnswerBytes: 3000))
        for owner in ["bob", "cleo"] {
            for number in 0..<5 { _ = names.insert(record(owner, "\(number)", bytes: 100)) }
        }
        for number in 0..<100 {
            let name = "\(number)"
            _ = names.insert(record("ada", name))
            let gone = names.update(record("ada", name, bytes: 900))
            #expect(gone.allSatisfy { $0.owner == "ada" })
        }
        #expect(names.answerBytes <= 4000 && knows(names, "ada", "99") && knows(names, "bob", "0") && knows(names, "cleo", "0"))
    }

    /// A name that is refused and sent again for ever pushes nobody out.
    @Test func aNameThatIsLetGoTakesNoRoom() {
        var names = IdempotencyNames(limits: .init(count: 10, ownerCount: 10))
        _ = names.insert(record("bob", "only"))
        _ = names.insert(record("ada", "kept"))
        for _ in 0..<1000 {
            #expect(names.insert(record("ada", "refused")).isEmpty)
            names.remove(.init(owner: "ada", key: "refused"))
        }
        #expect(names.count == 2 && knows(names, "bob", "only") && knows(names, "ada", "kept"))
        #expect(names.removeSome(before: 1, limit: 10) == 2 && names.count == 0)
    }

    /// Any order of commands, against a plain list of what must be true.
    @Test func countsAgreeWithWhatIsThere() {
        var generator = SystemRandomNumberGenerator()
        let seed = generator.next()
        var state = seed
        func random(_ bound: UInt64) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int((state >> 33) % bound)
        }
        var names = IdempotencyNames(limits: .init(count: 40, ownerCount: 15, answerBytes: 2000, ownerAnswerBytes: 900))
        for time in 0..<5000 {
            let (owner, key) = ("owner \(random(5))", "\(random(30))")
            switch random(6) {
            case 0: names.remove(.init(owner: owner, key: key))
            case 1, 2: _ = names.insert(record(owner, key, at: time))
            case 3:
                var answered = record(owner, key, bytes: random(200), at: time)
                answered.object = "object \(random(10))"
                answered.quoted = "object \(random(10))"
                _ = names.update(answered)
            case 4: names.erase(["object \(random(10))"])
            default: _ = names.removeSome(before: time - 100, limit: 3)
            }
            let all = (0..<5).flatMap { owner in (0..<30).compactMap { names[.init(owner: "owner \(owner)", key: "\($0)")] } }
            let sizes = Dictionary(grouping: all, by: \.owner).mapValues { own in
                (own.count, own.reduce(0) { $0 + ($1.answer?.count ?? 0) })
            }
            #expect(names.count == all.count && all.count <= 40, "seed \(seed)")
            #expect(names.answerBytes == sizes.values.reduce(0) { $0 + $1.1 } && names.answerBytes <= 2000, "seed \(seed)")
            #expect(sizes.values.allSatisfy { $0.0 <= 15 && $0.1 <= 900 }, "seed \(seed)")
        }
        _ = names.removeSome(before: .max, limit: .max)
        #expect(names.count == 0 && names.answerBytes == 0)
    }
}
