import Bytes
import GRDB

/// What one key used of one model within one hour.
public struct UsageRow: Sendable, Hashable {
    public struct Place: Sendable, Hashable {
        /// Seconds since 1970 at which the hour began.
        public var hour: Int
        public var owner: String
        /// Identifier of the key; empty where none is known any more.
        public var key: String
        public var model: String

        public init(hour: Int, owner: String, key: String, model: String) {
            self.hour = hour
            self.owner = owner
            self.key = key
            self.model = model
        }
    }

    public struct Counts: Sendable, Hashable {
        public var requests = 0
        public var inputTokens = 0
        public var outputTokens = 0
        public var cachedTokens = 0
        public var reasoningTokens = 0
        /// Generations that somebody cut: cancelled, interrupted or steered.
        public var cutGenerations = 0
        /// Tokens of these that were delivered; counted in ``outputTokens`` too.
        public var cutOutputTokens = 0
        /// Of those that named the most that they may have: what was left of it when they were cut.
        public var savedTokensEstimated = 0
        /// Requests whose tokens are our own count, since the upstream told none.
        public var estimatedRequests = 0

        public init() {}

        public static func += (left: inout Counts, right: Counts) {
            left.requests.saturatingAdd(right.requests)
            left.inputTokens.saturatingAdd(right.inputTokens)
            left.outputTokens.saturatingAdd(right.outputTokens)
            left.cachedTokens.saturatingAdd(right.cachedTokens)
            left.reasoningTokens.saturatingAdd(right.reasoningTokens)
            left.cutGenerations.saturatingAdd(right.cutGenerations)
            left.cutOutputTokens.saturatingAdd(right.cutOutputTokens)
            left.savedTokensEstimated.saturatingAdd(right.savedTokensEstimated)
            left.estimatedRequests.saturatingAdd(right.estimatedRequests)
        }
    }

    public var place: Place
    public var counts: Counts

    public init(place: Place, counts: Counts) {
        self.place = place
        self.counts = counts
    }
}

/// Usage in a store: kept as long as the data directory, since bills are.
public struct UsageStore: Sendable {
    private let store: Store

    public init(_ store: Store) { self.store = store }

    /// Adds to what is there, in the next commit.
    public func add(_ row: UsageRow) {
        store.write("usage") { try Self.add(row, $0) }
    }

    /// Hours from `start` up to `end`, the earliest first.
    /// - Parameter owner: nil: of everybody.
    public func rows(from start: Int, to end: Int, owner: String?) async throws(StorageError) -> [UsageRow] {
        try await store.read { try Self.rows(from: start, to: end, owner: owner, $0) }
    }

    static func makeTable(_ db: Database) throws {
        try db.execute(
            sql: """
                CREATE TABLE usage (
                    hour INTEGER NOT NULL,
                    owner TEXT NOT NULL,
                    api_key TEXT NOT NULL,
                    model TEXT NOT NULL,
                    requests INTEGER NOT NULL,
                    input_tokens INTEGER NOT NULL,
                    output_tokens INTEGER NOT NULL,
                    cached_tokens INTEGER NOT NULL,
                    reasoning_tokens INTEGER NOT NULL,
                    cut_generations INTEGER NOT NULL,
                    cut_output_tokens INTEGER NOT NULL,
                    saved_tokens_estimated INTEGER NOT NULL,
                    estimated_requests INTEGER NOT NULL,
                    PRIMARY KEY (hour, owner, api_key, model)
                ) STRICT, WITHOUT ROWID;
                """)
    }

    private static func add(_ row: UsageRow, _ db: Database) throws {
        let (place, counts) = (row.place, row.counts)
        try db.execute(
            sql: """
                INSERT INTO usage VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT DO UPDATE SET requests = requests + excluded.requests, input_tokens = input_tokens + excluded.input_tokens,
                    output_tokens = output_tokens + excluded.output_tokens, cached_tokens = cached_tokens + excluded.cached_tokens,
                    reasoning_tokens = reasoning_tokens + excluded.reasoning_tokens,
                    cut_generations = cut_generations + excluded.cut_generations,
                    cut_output_tokens = cut_output_tokens + excluded.cut_output_tokens,
                    saved_tokens_estimated = saved_tokens_estimated + excluded.saved_tokens_estimated,
                    estimated_requests = estimated_requests + excluded.estimated_requests
                """,
            arguments: [
                place.hour, place.owner, place.key, place.model, counts.requests, counts.inputTokens, counts.outputTokens,
                counts.cachedTokens, counts.reasoningTokens, counts.cutGenerations, counts.cutOutputTokens,
                counts.savedTokensEstimated, counts.estimatedRequests,
            ])
    }

    private static func rows(from start: Int, to end: Int, owner: String?, _ db: Database) throws -> [UsageRow] {
        try Row.fetchAll(
            db,
            sql:
                "SELECT * FROM usage WHERE hour >= ?1 AND hour < ?2 AND (?3 IS NULL OR owner = ?3) ORDER BY hour, owner, api_key, model",
            arguments: [start, end, owner]
        ).map { row in
            var counts = UsageRow.Counts()
            counts.requests = row["requests"]
            counts.inputTokens = row["input_tokens"]
            counts.outputTokens = row["output_tokens"]
            counts.cachedTokens = row["cached_tokens"]
            counts.reasoningTokens = row["reasoning_tokens"]
            counts.cutGenerations = row["cut_generations"]
            counts.cutOutputTokens = row["cut_output_tokens"]
            counts.savedTokensEstimated = row["saved_tokens_estimated"]
            counts.estimatedRequests = row["estimated_requests"]
            let place = UsageRow.Place(hour: row["hour"], owner: row["owner"], key: row["api_key"], model: row["model"])
            return UsageRow(place: place, counts: counts)
        }
    }
}
