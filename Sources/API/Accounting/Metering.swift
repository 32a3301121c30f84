package import Access
import Bytes
import JSON
package import Network
import SessionHosting
package import Sessions
import Synchronization

/// Attributes generations to keys: admits them within their callers' limits, and counts their usage.
package final class Metering: Sendable {
    /// The account of one generation.
    struct Account: Sendable {
        let owner: String
        let keyID: String
        /// Tokens taken from the budget in advance.
        let estimate: Int
        let hasLimits: Bool
        /// For the access log: the key's label, the request's record, and the time of admission.
        let keyName: String
        let record: AccessRecord?
        let began: Instant
    }

    private let limiter = RateLimiter()
    private let usage: UsageLedger
    private let idempotency: IdempotencyKeys
    private let accessLog: AccessLog?
    /// Number of refused generations, by limit.
    private let refused = Mutex<[String: UInt64]>([:])
    /// By response identifier, until the generation ends. Bounded by the sessions' limits on generations.
    private let accounts = Mutex<[String: Account]>([:])
    private let limitsOfKey: @Sendable (String) -> RateLimits

    /// - Parameter limitsOfKey: limits of a key, for generations that were admitted before a restart.
    package init(
        usage: UsageLedger, idempotency: IdempotencyKeys, accessLog: AccessLog?,
        limitsOfKey: @escaping @Sendable (String) -> RateLimits
    ) {
        self.accessLog = accessLog
        self.usage = usage
        self.idempotency = idempotency
        self.limitsOfKey = limitsOfKey
    }

    /// Number of refused generations by limit, for metrics.
    package var refusals: [String: UInt64] { refused.withLock { $0 } }

    /// Admits a generation.
    /// - Parameter record: the request's entry in the access log.
    /// - Returns: header fields for the HTTP response.
    /// - Throws: ``APIError`` 429.
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

    /// Admits a generation that counts as usage but not against the key's limits, such as a request of a batch: batches have limits
    /// of their own.
    package func enter(_ responseID: String, owner: String, keyID: String) {
        accounts.withLock {
            $0[responseID] = Account(
                owner: owner, keyID: keyID, estimate: 0, hasLimits: false, keyName: keyID, record: nil, began: Instant.monotonicNow)
        }
    }

    /// The key that a generation was admitted for; nil if it was not.
    package func keyID(of responseID: String) -> String? { accounts.withLock { $0[responseID]?.keyID } }

    /// Admits again a generation that has run since before a restart: it is never refused.
    package func resume(_ responseID: String, owner: String, keyID: String, now: Instant) {
        let limits = limitsOfKey(keyID)
        limiter.resume(keyID, limits, now: now)
        let account = Account(
            owner: owner, keyID: keyID, estimate: 0, hasLimits: !limits.isEmpty, keyName: keyID, record: nil, began: now)
        accounts.withLock { $0[responseID] = account }
    }

    /// Erases stored answers that describe or quote deleted sessions or responses.
    func erase(_ ids: [String]) { idempotency.erase(ids) }

    /// A generation did not begin.
    package func abandon(_ responseID: String, now: Instant) {
        guard let account = accounts.withLock({ $0.removeValue(forKey: responseID) }) else { return }
        account.record?.abandoned()
        guard account.hasLimits else { return }
        limiter.giveBack(account.keyID, estimate: account.estimate, now: now)
    }

    /// A generation has ended. Called on the session's loop.
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

    /// Tokens of a request as estimated in advance: one for each four bytes of the prompt, plus the limit of the output.
    static func estimate(_ input: [Item], _ parameters: ResponseParameters) -> Int {
        let promptBytes = input.reduce(parameters.instructions?.utf8.count ?? 0) { $0.saturatingAdding($1.textByteCount) }
        let answer = parameters.members["max_output_tokens"]?.int ?? 0
        return max(min(1, promptBytes), promptBytes / 4) + max(0, min(answer, 1 << 40))
    }
}

extension Metering: SessionAccounting {}

/// Counts the usage of one loop's responses and settles it with their callers' limits. Loop-confined.
package final class MeteringListener: GenerationListener {
    private let metering: Metering
    private let loop: EventLoop

    /// A listener on `loop`.
    package init(_ metering: Metering, on loop: EventLoop) {
        self.metering = metering
        self.loop = loop
    }

    package func ended(_ generation: Generation) { metering.ended(generation, now: loop.now, unixTime: loop.unixTime) }
}

extension Call {
    /// Admits a generation of this call and adds its header fields to the HTTP response; ``abandon(_:)`` if it does not begin.
    package func admit(_ responseID: String, _ input: [Item], _ parameters: ResponseParameters) throws(APIError) {
        exchange.commonFields += try services.metering.admit(
            caller, responseID: responseID, input: input, parameters: parameters, now: loop.now,
            record: exchange.record as? AccessRecord)
    }

    /// A generation of this call did not begin.
    package func abandon(_ responseID: String) { services.metering.abandon(responseID, now: loop.now) }
}
