package import Access
import Bytes
import JSON
package import Network
import SessionHosting
package import Sessions
import Synchronization

/// Who pays for which generation: takes generations in against the limits of their callers, and counts what they came to.
package final class Metering: Sendable {
    /// One generation that somebody pays for.
    struct Account: Sendable {
        let owner: String
        let keyID: String
        /// Tokens taken from the budget before it began.
        let estimate: Int
        let hasLimits: Bool
        /// For the access log: how the key is called, the request that began it, and when.
        let keyName: String
        let record: AccessRecord?
        let began: Instant
    }

    private let limiter = RateLimiter()
    private let usage: UsageLedger
    private let idempotency: IdempotencyKeys
    private let accessLog: AccessLog?
    /// By response identifier, until it ends. Bounded by the generations that sessions hold.
    private let refused = Mutex<[String: UInt64]>([:])
    private let accounts = Mutex<[String: Account]>([:])
    private let limitsOfKey: @Sendable (String) -> RateLimits

    /// - Parameter limitsOfKey: what a key may use, for generations that were taken in before the server was started again.
    package init(
        usage: UsageLedger, idempotency: IdempotencyKeys, accessLog: AccessLog?,
        limitsOfKey: @escaping @Sendable (String) -> RateLimits
    ) {
        self.accessLog = accessLog
        self.usage = usage
        self.idempotency = idempotency
        self.limitsOfKey = limitsOfKey
    }

    /// Generations that were refused, by limit, for metrics.
    package var refusals: [String: UInt64] { refused.withLock { $0 } }

    /// Takes a generation in.
    /// - Parameter record: of the request, in the access log.
    /// - Returns: fields for the answer.
    package func admit(
        _ caller: Caller, responseID: String, input: [Item], parameters: ResponseParameters, now: Instant,
        record: AccessRecord? = nil
    ) throws(APIError) -> [(name: String, value: String)] {
        let estimate = Self.estimate(input, parameters)
        let standing: RateLimiter.Standing
        do {
            standing = try limiter.admit(caller.keyID, caller.limits, tokens: estimate, now: now)
        } catch {
            refused.withLock { $0[error.limit.rawValue, default: 0] += 1 }
            throw APIError(error, keyID: caller.keyID)
        }
        let account = Account(
            owner: caller.owner, keyID: caller.keyID, estimate: estimate, hasLimits: !caller.limits.isEmpty,
            keyName: caller.keyName ?? caller.keyID, record: record, began: now)
        record?.began(responseID)
        accounts.withLock { $0[responseID] = account }
        return standing.fields
    }

    /// Takes a generation in that counts as a key's usage but not against its limits, such as a request of a batch: batches have
    /// limits of their own.
    package func enter(_ responseID: String, owner: String, keyID: String) {
        accounts.withLock {
            $0[responseID] = Account(
                owner: owner, keyID: keyID, estimate: 0, hasLimits: false, keyName: keyID, record: nil, began: Instant.monotonicNow)
        }
    }

    /// The key that a generation was taken in for; nil when it was not.
    package func keyID(of responseID: String) -> String? { accounts.withLock { $0[responseID]?.keyID } }

    /// Takes a generation in again that runs since before the server was started: nothing of it is refused any more.
    package func resume(_ responseID: String, owner: String, keyID: String, now: Instant) {
        let limits = limitsOfKey(keyID)
        limiter.resume(keyID, limits, now: now)
        let account = Account(
            owner: owner, keyID: keyID, estimate: 0, hasLimits: !limits.isEmpty, keyName: keyID, record: nil, began: now)
        accounts.withLock { $0[responseID] = account }
    }

    /// Sessions or responses are deleted: no stored answer may tell of them.
    func erase(_ ids: [String]) { idempotency.erase(ids) }

    /// It did not begin.
    package func abandon(_ responseID: String, now: Instant) {
        guard let account = accounts.withLock({ $0.removeValue(forKey: responseID) }) else { return }
        account.record?.abandoned()
        guard account.hasLimits else { return }
        limiter.giveBack(account.keyID, estimate: account.estimate, now: now)
    }

    /// It has come to its end. On the session's loop.
    func ended(_ generation: Generation, now: Instant, unixTime: Int) {
        let account = accounts.withLock { $0.removeValue(forKey: generation.id) }
        usage.add(
            generation, owner: account?.owner ?? generation.owner, keyID: account?.keyID ?? "", unixTime: unixTime)
        if let account {
            let elapsed = now - account.began
            if let record = account.record {
                record.ended(generation, elapsed: elapsed)
            } else {
                accessLog?.write(generation, key: account.keyName, elapsed: elapsed)
            }
        }
        switch generation.status {
        case .failed, .cancelled: idempotency.release(responseID: generation.id)
        case .queued, .inProgress, .completed, .incomplete: break
        }
        guard let account, account.hasLimits else { return }
        let actual = generation.usage.map { $0.totalTokens } ?? 0
        limiter.settle(account.keyID, estimate: account.estimate, actual: actual, now: now)
    }

    /// Tokens of a request before anything is known of its answer: four bytes each, and the most that the answer may have.
    static func estimate(_ input: [Item], _ parameters: ResponseParameters) -> Int {
        let promptBytes = input.reduce(parameters.instructions?.utf8.count ?? 0) { $0.saturatingAdding($1.textByteCount) }
        let answer = parameters.members["max_output_tokens"]?.int ?? 0
        return max(min(1, promptBytes), promptBytes / 4) + max(0, min(answer, 1 << 40))
    }
}

extension Metering: SessionAccounting {}

/// Counts what responses of one loop came to, and settles it with the limits of their callers. Loop-confined.
package final class MeteringListener: GenerationListener {
    private let metering: Metering
    private let loop: EventLoop

    package init(_ metering: Metering, on loop: EventLoop) {
        self.metering = metering
        self.loop = loop
    }

    package func ended(_ generation: Generation) { metering.ended(generation, now: loop.now, unixTime: loop.unixTime) }
}

extension Call {
    /// Takes a generation of this call in, and gives the answer its fields; ``abandon(_:)`` when it does not begin.
    package func admit(_ responseID: String, _ input: [Item], _ parameters: ResponseParameters) throws(APIError) {
        exchange.commonFields += try services.metering.admit(
            caller, responseID: responseID, input: input, parameters: parameters, now: loop.now,
            record: exchange.record as? AccessRecord)
    }

    package func abandon(_ responseID: String) { services.metering.abandon(responseID, now: loop.now) }
}
