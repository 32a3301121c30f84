import Bytes
import GRDB

/// Usage of one model by one key within one hour.
public struct UsageRow: Sendable, Hashable {
    /// The key of a row.
    public struct Place: Sendable, Hashable {
        /// Beginning of the hour, in seconds since 1970.
        public var hour: Int
        /// The principal that used the model.
        public var owner: String
        /// Identifier of the API key; empty if unknown by now.
        public var key: String
        /// Name of the model.
        public var model: String

        /// The key of the hour that begins at `hour`.
        public init(hour: Int, owner: String, key: String, model: String) {
            self.hour = hour
            self.owner = owner
            self.key = key
            self.model = model
        }
    }

    /// The counters of a row.
    public struct Counts: Sendable, Hashable {
        /// Requests to the model.
        public var requests = 0
        /// Tokens that the models read.
        public var inputTokens = 0
        /// Tokens that the models generated.
        public var outputTokens = 0
        /// Input tokens served from an upstream's cache.
        public var cachedTokens = 0
        /// Output tokens spent on reasoning.
        public var reasoningTokens = 0
        /// Generations that a client cut off: cancelled, interrupted or steered.
        public var cutGenerations = 0
        /// Output tokens that these delivered; included in ``outputTokens``.
        public var cutOutputTokens = 0
        /// Tokens that these left unused of their request's limit, where there was one.
        public var savedTokensEstimated = 0
        /// Requests whose tokens the server counted itself, since the upstream reported none.
        public var estimatedRequests = 0

        /// All zero.
        public init() {}

        /// Adds each counter.
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

    /// The row's key.
    public var place: Place
    /// The row's counters.
    public var counts: Counts

    /// A row of counts.
    public init(place: Place, counts: Counts) {
        self.place = place
        self.counts = counts
    }
}

/// Usage in a store: never deleted, since bills refer to it.
public struct UsageStore: Sendable {
    private let store: Store

    /// The usage in `store`.
    public init(_ store: Store) { self.store = store }

    /// Adds the counts to the row with this key, in the next commit.
    public func add(_ row: UsageRow) {
        store.write("usage") { try Self.add(row, $0) }
    }

    /// Rows of the hours from `start` up to, not including, `end` (seconds since 1970), earliest first.
    /// - Parameter owner: principal; nil for all.
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
