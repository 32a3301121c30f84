import Foundation
import Logging
import Storage
import Testing

@testable import Server

/// Names of commands, with a clock of the test's.
@Suite struct IdempotencyKeysTests {
    private let name = IdempotencyKeys.Name(owner: "ada", key: "order-7")
    private let command = SHA256.digest("a command")

    private func keys(_ store: Store? = nil, at time: Int = 0) async throws -> IdempotencyKeys {
        try await IdempotencyKeys(store, retention: .seconds(100), unixTime: time)
    }

    private func describe(_ claim: IdempotencyKeys.Claim) -> String {
        switch claim {
        case .first: "first"
        case .response(let id, _): id
        case .answer(let status, let body): "\(status) \(String(decoding: body, as: UTF8.self))"
        case .running: "running"
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
        await confirmation { mayLeave in keys.setAnswer(name, status: 202, Array("{}".utf8)) { mayLeave() } }
        #expect(claim(keys, response: nil) == "202 {}")
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
}
