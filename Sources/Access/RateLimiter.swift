import Bytes
import HTTP
package import Network
import Synchronization

/// Holds each key to its limits. No clock of its own; safe from any loop, with one short lock for each sixteenth of the keys.
package final class RateLimiter: Sendable {
    /// Keys remembered in one shard; those that use nothing and have waited everything off are forgotten first.
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

        /// Takes other limits on, without a fresh budget for those that stay.
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

    package init() {}

    /// What is left after a request, for its header fields.
    package struct Standing: Sendable, Equatable {
        package struct Budget: Sendable, Equatable {
            package var limit: Int
            package var remaining: Int
            /// Until nothing of it is used.
            package var reset: Duration
        }
        package var requests: Budget?
        package var tokens: Budget?
    }

    /// Why a request must wait.
    package struct Refusal: Error, Sendable, Equatable {
        package enum Limit: String, Sendable, CaseIterable { case requests, tokens, concurrency }
        package var limit: Limit
        package var size: Int
        package var used: Int
        package var requested: Int
        /// nil: it can never be taken.
        package var retryAfter: Duration?
        package var standing: Standing
    }

    /// Takes a generation in, or none of it.
    /// - Parameter tokens: what it will cost, as far as one can tell before.
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

    /// Takes a generation in that was taken in before the server was started again, whatever else runs.
    package func resume(_ key: String, _ limits: RateLimits, now: Instant) {
        if limits.isEmpty { return }
        shard(key).accounts.withLock { accounts in
            var account = accounts[key] ?? Account(limits, now)
            account.adopt(limits, now)
            account.running += 1
            accounts[key] = account
        }
    }

    /// A generation has come to its end, and cost so much.
    package func settle(_ key: String, estimate: Int, actual: Int, now: Instant) {
        shard(key).accounts.withLock { accounts in
            guard accounts[key] != nil else { return }
            accounts[key]?.running -= 1
            accounts[key]?.tokens?.take(Double(actual) - Double(estimate), now: now)
        }
    }

    /// A generation that was taken in did not begin: it cost nothing.
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
        // FNV-1a: the same for all time, unlike the hash of strings.
        let hash = key.utf8.reduce(2_166_136_261 as UInt32) { ($0 ^ UInt32($1)) &* 16_777_619 }
        return shards[Int(hash % UInt32(Self.shardCount))]
    }
}
