import Bytes
import HTTP
package import Network
import Synchronization

/// Enforces the limits of each key. Has no clock; safe from any loop, with one short lock for each sixteenth of the keys.
package final class RateLimiter: Sendable {
    /// Maximum number of keys remembered in one shard; keys with no usage and full budgets are forgotten first.
    static let maxKeysPerShard = 4096
    private static let shardCount = 16

    private struct Account {
        var limits: RateLimits
        var requests: TokenBucket?
        var tokens: TokenBucket?
        var running = 0

        init(_ limits: RateLimits, _ now: Instant) {
            self.limits = limits
            requests = limits.requestsPerMinute.map { TokenBucket(perMinute: $0, now: now) }
            tokens = limits.tokensPerMinute.map { TokenBucket(perMinute: $0, now: now) }
        }

        /// Adopts changed limits; budgets whose limit stays are not refilled.
        mutating func adopt(_ new: RateLimits, _ now: Instant) {
            if new == limits { return }
            var fresh = Account(new, now)
            if new.requestsPerMinute == limits.requestsPerMinute { fresh.requests = requests }
            if new.tokensPerMinute == limits.tokensPerMinute { fresh.tokens = tokens }
            fresh.running = running
            self = fresh
        }

        mutating func isAtRest(_ now: Instant) -> Bool {
            running == 0 && requests?.untilFull(now: now) ?? .zero == .zero && tokens?.untilFull(now: now) ?? .zero == .zero
        }
    }

    private final class Shard: Sendable {
        let accounts = Mutex<[String: Account]>([:])
    }

    private let shards = (0..<shardCount).map { _ in Shard() }

    /// A limiter that has seen no requests.
    package init() {}

    /// What a key has left after a request, for header fields.
    package struct Standing: Sendable, Equatable {
        /// One budget of a key.
        package struct Budget: Sendable, Equatable {
            /// The limit a minute.
            package var limit: Int
            /// What is left of it now.
            package var remaining: Int
            /// Time until the budget is full again.
            package var reset: Duration
        }
        /// Requests a minute; nil if not limited.
        package var requests: Budget?
        /// Tokens a minute; nil if not limited.
        package var tokens: Budget?
    }

    /// Why a request was refused.
    package struct Refusal: Error, Sendable, Equatable {
        /// A kind of limit.
        package enum Limit: String, Sendable, CaseIterable { case requests, tokens, concurrency }
        /// The limit that was exceeded.
        package var limit: Limit
        /// Its value.
        package var size: Int
        /// What of it is used.
        package var used: Int
        /// What the request needs.
        package var requested: Int
        /// When to retry; nil if the request exceeds the whole limit.
        package var retryAfter: Duration?
        /// The key's budgets, for header fields.
        package var standing: Standing
    }

    /// Admits a generation and takes its cost from the budgets, or refuses it without any effect.
    /// - Parameter tokens: its estimated cost.
    /// - Throws: ``Refusal``.
    package func admit(_ key: String, _ limits: RateLimits, tokens: Int, now: Instant) throws(Refusal) -> Standing {
        if limits.isEmpty { return Standing() }
        let result = shard(key).accounts.withLock { accounts -> Result<Standing, Refusal> in
            if accounts[key] == nil, accounts.count >= Self.maxKeysPerShard { Self.forgetResting(&accounts, now) }
            var account = accounts[key] ?? Account(limits, now)
            account.adopt(limits, now)
            defer { accounts[key] = account }
            if let refusal = Self.check(&account, tokens, now) { return .failure(refusal) }
            account.running += 1
            account.requests?.take(1, now: now)
            account.tokens?.take(Double(tokens), now: now)
            return .success(Self.standing(&account, now))
        }
        return try result.get()
    }

    /// Counts a generation that was admitted before a restart, whatever the usage.
    package func resume(_ key: String, _ limits: RateLimits, now: Instant) {
        if limits.isEmpty { return }
        shard(key).accounts.withLock { accounts in
            var account = accounts[key] ?? Account(limits, now)
            account.adopt(limits, now)
            account.running += 1
            accounts[key] = account
        }
    }

    /// Ends a generation and corrects its estimated cost to the actual one, in tokens.
    package func settle(_ key: String, estimate: Int, actual: Int, now: Instant) {
        shard(key).accounts.withLock { accounts in
            guard accounts[key] != nil else { return }
            accounts[key]?.running -= 1
            accounts[key]?.tokens?.take(Double(actual) - Double(estimate), now: now)
        }
    }

    /// Returns the cost of an admitted generation that did not begin.
    package func giveBack(_ key: String, estimate: Int, now: Instant) {
        shard(key).accounts.withLock { accounts in
            accounts[key]?.running -= 1
            accounts[key]?.requests?.take(-1, now: now)
            accounts[key]?.tokens?.take(-Double(estimate), now: now)
        }
    }

    private static func check(_ account: inout Account, _ tokens: Int, _ now: Instant) -> Refusal? {
        let limits = account.limits
        if let limit = limits.maxConcurrent, account.running >= limit {
            return Refusal(
                limit: .concurrency, size: limit, used: account.running, requested: 1, retryAfter: .seconds(1),
                standing: standing(&account, now))
        }
        if let limit = limits.requestsPerMinute, let wait = account.requests?.wait(for: 1, now: now), wait > .zero {
            return Refusal(
                limit: .requests, size: limit, used: limit - (account.requests?.remaining(now: now) ?? 0), requested: 1,
                retryAfter: wait, standing: standing(&account, now))
        }
        if let limit = limits.tokensPerMinute, let wait = account.tokens?.wait(for: Double(tokens), now: now),
            wait > .zero || tokens > limit
        {
            return Refusal(
                limit: .tokens, size: limit, used: limit - (account.tokens?.remaining(now: now) ?? 0), requested: tokens,
                retryAfter: tokens > limit ? nil : wait, standing: standing(&account, now))
        }
        return nil
    }

    private static func standing(_ account: inout Account, _ now: Instant) -> Standing {
        var standing = Standing()
        if let limit = account.limits.requestsPerMinute, var bucket = account.requests {
            standing.requests = .init(limit: limit, remaining: bucket.remaining(now: now), reset: bucket.untilFull(now: now))
        }
        if let limit = account.limits.tokensPerMinute, var bucket = account.tokens {
            standing.tokens = .init(limit: limit, remaining: bucket.remaining(now: now), reset: bucket.untilFull(now: now))
        }
        return standing
    }

    private static func forgetResting(_ accounts: inout [String: Account], _ now: Instant) {
        accounts = accounts.filter { entry in
            var account = entry.value
            return !account.isAtRest(now)
        }
    }

    private func shard(_ key: String) -> Shard {
        // FNV-1a: stable, unlike the hash of strings.
        let hash = key.utf8.reduce(2_166_136_261 as UInt32) { ($0 ^ UInt32($1)) &* 16_777_619 }
        return shards[Int(hash % UInt32(Self.shardCount))]
    }
}
