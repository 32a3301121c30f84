import Digests
import Foundation
import Logging
import Storage
import Testing

@testable import API

/// Names of commands, with a clock of the test's.
@Suite struct IdempotencyKeysTests {
    private let name = IdempotencyKeys.Name(owner: "ada", key: "order-7")
    private let command = SHA256.digest("a command")

    private func keys(
        _ store: Store? = nil, limits: IdempotencyNames.Limits = .init(), at time: Int = 0
    ) async throws -> IdempotencyKeys {
        try await IdempotencyKeys(store, retention: .seconds(100), limits: limits, unixTime: time)
    }

    private func withStore(_ body: (Store) async throws -> Void) async throws {
        let directory = NSTemporaryDirectory() + "interject-names-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let store = try Store.open(directory: directory, durability: .process, logger: Logger(label: "test"))
        try await body(store)
        await store.close()
    }

    /// What a server would find that is started now, of all times.
    private func stored(_ store: Store) async throws -> [String] {
        try await IdempotencyStore(store).load(since: 0, limit: .max, maxAnswerBytes: .max).map(\.key)
    }

    private func setAnswer(_ keys: IdempotencyKeys, _ name: IdempotencyKeys.Name, _ answer: IdempotencyKeys.Answer) async {
        await withCheckedContinuation { continuation in keys.setAnswer(name, answer) { continuation.resume() } }
    }

    private func describe(_ claim: IdempotencyKeys.Claim) -> String {
        switch claim {
        case .first: "first"
        case .response(let id, _): id
        case .answer(let status, let body): "\(status) \(String(decoding: body, as: UTF8.self))"
        case .running: "running"
        case .erased: "erased"
        case .unavailable: "unavailable"
        case .differs: "differs"
        }
    }

    private func claim(_ keys: IdempotencyKeys, response: String?, command: String = "a command", at time: Int = 0) -> String {
        describe(keys.claim(name, fingerprint: SHA256.digest(command), responseID: response, unixTime: time))
    }

    @Test func theFirstBeginsAndTheOthersAttach() async throws {
        let keys = try await keys()
        #expect(claim(keys, response: "resp_1") == "first")
        #expect(claim(keys, response: "resp_2") == "resp_1")
        #expect(claim(keys, response: "resp_3", command: "another") == "differs")
    }

    @Test func anAnswerIsGivenAgain() async throws {
        let keys = try await keys()
        #expect(claim(keys, response: nil) == "first")
        #expect(claim(keys, response: nil) == "running")
        await confirmation { mayLeave in keys.setAnswer(name, .init(status: 202, body: Array("{}".utf8))) { mayLeave() } }
        #expect(claim(keys, response: nil) == "202 {}")
    }

    @Test func anAnswerGoesWithWhatItTellsOfAndTheNameStays() async throws {
        let keys = try await keys()
        #expect(claim(keys, response: nil) == "first")
        await setAnswer(keys, name, .init(status: 202, body: Array("{}".utf8), object: "sess_1", quoted: "resp_1"))
        keys.erase(["sess_2", "resp_2"])
        #expect(claim(keys, response: nil) == "202 {}")
        keys.erase(["resp_1"])
        #expect(claim(keys, response: nil) == "erased")
        #expect(claim(keys, response: nil, command: "another") == "differs")
        #expect(claim(keys, response: nil, at: 100) == "first")
    }

    @Test func aNameIsForgottenInTime() async throws {
        let keys = try await keys()
        #expect(claim(keys, response: "resp_1") == "first")
        #expect(claim(keys, response: "resp_2", at: 99) == "resp_1")
        #expect(claim(keys, response: "resp_3", at: 100) == "first")
        #expect(claim(keys, response: "resp_4", at: 199) == "resp_3")
    }

    @Test func onlyWhatTheNameStandsForReleasesIt() async throws {
        let keys = try await keys()
        #expect(claim(keys, response: "resp_1") == "first")
        keys.release(responseID: "resp_1")
        #expect(claim(keys, response: "resp_2") == "first")
        keys.release(name, responseID: "resp_1")
        keys.release(responseID: "resp_1")
        #expect(claim(keys, response: "resp_3") == "resp_2")
    }

    @Test func namesOutliveTheProcessAndWhatWasNotAnsweredDoesNot() async throws {
        let directory = NSTemporaryDirectory() + "interject-names-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let store = try Store.open(directory: directory, logger: Logger(label: "test"))
        let before = try await keys(store)
        #expect(claim(before, response: "resp_1") == "first")
        let pending = IdempotencyKeys.Name(owner: "ada", key: "pending")
        _ = before.claim(pending, fingerprint: command, responseID: nil, unixTime: 0)
        let after = try await keys(store)
        #expect(claim(after, response: "resp_2") == "resp_1")
        #expect(describe(after.claim(pending, fingerprint: command, responseID: nil, unixTime: 0)) == "first")
        #expect(claim(try await keys(store, at: 200), response: "resp_3", at: 200) == "first")
        await store.close()
    }

    /// By a clock of the test's: the store has no name whose time is over, without being opened anew.
    @Test func namesWhoseTimeIsOverLeaveTheStoreWhileItIsOpen() async throws {
        try await withStore { store in
            let keys = try await keys(store)
            // More than go at a time.
            for number in 0..<1200 {
                let name = IdempotencyKeys.Name(owner: "ada", key: "old \(number)")
                _ = keys.claim(name, fingerprint: command, responseID: "resp_\(number)", unixTime: 0)
            }
            #expect(claim(keys, response: "resp_new", at: 50) == "first")
            try await keys.sweep(unixTime: 99)
            var left = try await stored(store)
            #expect(left.count == 1201)
            try await keys.sweep(unixTime: 100)
            left = try await stored(store)
            #expect(left == ["order-7"])
            #expect(claim(keys, response: "resp_2", at: 149) == "resp_new")
            try await keys.sweep(unixTime: 150)
            left = try await stored(store)
            #expect(left.isEmpty)
        }
    }

    @Test func whatGoesForOthersLeavesTheStoreToo() async throws {
        try await withStore { store in
            let keys = try await keys(store, limits: .init(count: 6, ownerCount: 4))
            for owner in ["ada", "bob"] {
                for number in 0..<10 {
                    let name = IdempotencyKeys.Name(owner: owner, key: "\(owner) \(number)")
                    _ = keys.claim(name, fingerprint: command, responseID: "\(owner) \(number)", unixTime: number)
                }
            }
            let left = Set(try await stored(store))
            #expect(left == ["ada 7", "ada 8", "ada 9", "bob 7", "bob 8", "bob 9"])
        }
    }

    /// A name that is let go and used anew: whichever way the two go to the store, the new one is there.
    @Test func aNameThatIsUsedAnewStaysInTheStore() async throws {
        try await withStore { store in
            let keys = try await keys(store)
            await withTaskGroup { group in
                for _ in 0..<4 {
                    group.addTask {
                        for _ in 0..<500 {
                            if case .response(let id, _) = keys.claim(
                                name, fingerprint: command, responseID: UUID().uuidString, unixTime: 0)
                            {
                                keys.release(name, responseID: id)
                            }
                        }
                    }
                }
            }
            let known = claim(keys, response: "resp_last")
            let after = try await self.keys(store)
            #expect(claim(after, response: "resp_other") == (known == "first" ? "resp_last" : known))
        }
    }
}
