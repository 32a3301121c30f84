import Bytes
import JSON
import Sessions
package import Storage
import Synchronization

/// What each key used, by model and hour. In the store where there is one, else in memory.
package final class UsageLedger: Sendable {
    /// Rows kept in memory; beyond it the earliest hours go.
    static let maxRows = 20_000
    static let hourSeconds = 3600

    /// Models by which one key's usage of one hour is told apart; further ones are ``otherModel``.
    static let maxModels = 100
    static let otherModel = "other"

    private let store: UsageStore?
    private let models = Mutex(Models())
    private let rows = Mutex<[UsageRow.Place: UsageRow.Counts]>([:])

    package init(_ store: Store?) { self.store = store.map(UsageStore.init) }

    /// Counts a generation that has ended. Where there is a store it goes into the commit that its last event goes into, or the
    /// next one: what a client was told to have ended is counted also when the process is killed.
    func add(_ generation: Generation, owner: String, keyID: String, unixTime: Int) {
        guard let counts = UsageRow.Counts(generation) else { return }
        let place = UsageRow.Place(
            // number-safe: a multiple that is nearer to zero than what it is made of
            hour: unixTime / Self.hourSeconds * Self.hourSeconds, owner: owner, key: keyID,
            model: models.withLock { $0.name(generation.parameters.model, of: keyID, at: unixTime / Self.hourSeconds) })
        if let store {
            store.add(UsageRow(place: place, counts: counts))
            return
        }
        rows.withLock { rows in
            rows[place, default: UsageRow.Counts()] += counts
            if rows.count > Self.maxRows, let earliest = rows.keys.map(\.hour).min() {
                rows = rows.filter { $0.key.hour > earliest }
            }
        }
    }

    /// - Parameter owner: nil: of everybody.
    package func rows(from start: Int, to end: Int, owner: String?) async throws(StorageError) -> [UsageRow] {
        if let store { return try await store.rows(from: start, to: end, owner: owner) }
        return rows.withLock { rows in
            rows.filter { $0.key.hour >= start && $0.key.hour < end && (owner == nil || $0.key.owner == owner) }
                .map { UsageRow(place: $0.key, counts: $0.value) }
        }
    }
}

/// Which models each key has used in this hour: names that clients make up do not become rows without end.
private struct Models {
    private var hour = 0
    private var byKey: [String: Set<String>] = [:]

    mutating func name(_ model: String, of key: String, at hour: Int) -> String {
        if hour != self.hour {
            self.hour = hour
            byKey.removeAll()
        }
        var known = byKey[key] ?? []
        if known.contains(model) { return model }
        guard known.count < UsageLedger.maxModels else { return UsageLedger.otherModel }
        known.insert(model)
        byKey[key] = known
        return model
    }
}

extension UsageRow.Counts {
    /// nil for a generation of which no upstream heard, or that an upstream refused before it said anything.
    init?(_ generation: Generation) {
        guard let usage = generation.usage else { return nil }
        if case .failed = generation.status, usage.isEstimated, usage.outputTokens == 0 { return nil }
        self.init()
        requests = 1
        inputTokens = usage.inputTokens
        outputTokens = usage.outputTokens
        cachedTokens = usage.cachedTokens
        reasoningTokens = usage.reasoningTokens
        estimatedRequests = usage.isEstimated ? 1 : 0
        switch generation.status {
        case .cancelled, .incomplete(.interrupted), .incomplete(.steered):
            cutGenerations = 1
            cutOutputTokens = usage.outputTokens
            if let most = generation.parameters.members["max_output_tokens"]?.int {
                savedTokensEstimated = max(0, most.saturatingSubtracting(usage.outputTokens))
            }
        default: break
        }
    }
}
