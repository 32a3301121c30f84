import JSON
import JSONSchema
import Sessions
import ToldSession

@testable import Jobs
@testable import Storage

/// Records with whatever a record may hold.
struct RandomRecords: RandomValues {
    var generator: SplitMix64

    init(seed: UInt64) { generator = SplitMix64(seed: seed) }

    // MARK: Parts

    mutating func count() -> Int { [0, 1, 7, 1 << 40, 1 << 53].randomElement(using: &self) ?? 0 }
    mutating func text() -> String { ["", "a", "null", "é\u{301}\t\"\\", "😀 ☃"].randomElement(using: &self) ?? "" }

    mutating func usage() -> Usage {
        Usage(
            inputTokens: count(), outputTokens: count(), cachedTokens: count(), reasoningTokens: count(), isEstimated: flag())
    }

    mutating func status() -> Generation.Status {
        let reasons: [Generation.IncompleteReason] = [
            .maxOutputTokens, .contentFilter, .steered, .interrupted, .serverRestarted, .invalidStructuredOutput,
        ]
        switch next() % 6 {
        case 0: return .queued
        case 1: return .inProgress
        case 2: return .completed
        case 3: return .cancelled
        case 4: return .incomplete(reasons.randomElement(using: &self) ?? .steered)
        default:
            var error = GenerationError(
                code: text(), message: text(), status: count(), type: text(),
                retryAfterSeconds: maybe { [0, 0.25, 1e300].randomElement(using: &$0) ?? 0 }, param: maybe { $0.text() })
            error.forbidsRetry = flag()
            return .failed(error)
        }
    }

    mutating func conclusion() -> Generation.Conclusion {
        [.judging, .telling(.completed), .telling(.incomplete(.contentFilter)), .telling(.incomplete(.invalidStructuredOutput))]
            .randomElement(using: &self) ?? .judging
    }

    // MARK: Records

    mutating func session(_ id: String) -> SessionRecord {
        SessionRecord(
            id: id, owner: text(), createdAt: count(), defaults: parameters(),
            mode: mode(), policy: policy(), metadata: .object(object()),
            forkedFrom: maybe { $0.text() })
    }

    mutating func generation(_ id: String, ordinal: Int = 1) -> GenerationRecord {
        GenerationRecord(
            id: id, ordinal: ordinal, createdAt: count(), completedAt: maybe { $0.count() }, parameters: parameters(),
            previousResponseID: maybe { $0.text() }, policy: policy(), input: list { $0.item() }, output: list { $0.item() },
            status: status(), usage: maybe { $0.usage() }, deltaCount: count(), conversationItemCount: maybe { $0.count() },
            firstSequence: maybe { $0.count() }, eventCount: count(), continuesLastMessage: flag(),
            route: ResponseRoute(
                upstream: maybe { $0.text() }, attempts: count(), faults: list { .init(upstream: $0.text(), fault: $0.text()) }),
            verdict: maybe { $0.flag() ? .valid : .invalid(JSONSchema.Violation(path: $0.text(), message: $0.text())) },
            steps: list { $0.step() },
            pendingSteers: list { PendingSteer(id: $0.text(), items: $0.list { $0.item() }) }, spent: maybe { $0.usage() },
            promptByteCount: count(), keyID: maybe { $0.text() }, conclusion: maybe { $0.conclusion() })
    }

    mutating func answer(_ key: String) -> IdempotencyRecord {
        var record = IdempotencyRecord(
            owner: text(), key: key, fingerprint: [UInt8](text().utf8), responseID: maybe { $0.text() }, createdAt: count())
        record.status = maybe { $0.count() }
        record.answer = maybe { [UInt8]($0.text().utf8) }
        return record
    }

    mutating func file(_ id: String) -> StoredFile {
        StoredFile(
            id: id, owner: text(), purpose: text(), filename: text(), byteCount: count(), createdAt: count(),
            expiresAt: maybe { _ in Int.max })
    }

    mutating func batch(_ id: String) throws -> Batch {
        var batch = Batch(
            id: id, owner: text(), keyID: maybe { $0.text() },
            endpoint: BatchEndpoint.allCases.randomElement(using: &self) ?? .responses,
            inputFileID: text(), window: try CompletionWindow("24h"), metadata: maybe { $0.text() },
            outputExpires: try maybe { _ in try ExpiresAfter(anchor: "created_at", seconds: 3600, param: "e") }, now: 1)
        batch.status = Batch.Status.allCases.randomElement(using: &self) ?? .validating
        batch.model = maybe { $0.text() }
        batch.faults = list {
            Batch.Fault(code: $0.text(), message: $0.text(), line: $0.maybe { $0.count() }, param: $0.maybe { $0.text() })
        }
        batch.outputFileID = maybe { $0.text() }
        batch.errorFileID = maybe { $0.text() }
        batch.inProgressAt = maybe { $0.count() }
        batch.finalizingAt = maybe { $0.count() }
        batch.completedAt = maybe { $0.count() }
        batch.failedAt = maybe { $0.count() }
        batch.expiredAt = maybe { $0.count() }
        batch.cancellingAt = maybe { $0.count() }
        batch.cancelledAt = maybe { $0.count() }
        batch.revision = count()
        return batch
    }

    mutating func delivery(_ number: UInt64) -> WebhookDelivery {
        var delivery = WebhookDelivery(
            event: WebhookEvent(
                id: "evt_\(number)", type: text(), owner: text(), objectID: text(), createdAt: count(), isTest: flag()),
            endpointID: text(), dueAt: count())
        delivery.state = [.pending, .delivered, .failed, .dropped].randomElement(using: &self) ?? .pending
        delivery.attemptCount = count()
        delivery.roundAttemptCount = count()
        delivery.roundBeganAt = maybe { $0.count() }
        delivery.attempts = list {
            .init(at: $0.count(), milliseconds: $0.count(), status: $0.maybe { $0.count() }, error: $0.maybe { $0.text() })
        }
        return delivery
    }

    mutating func endpoint(_ id: String) -> WebhookEndpoint? {
        guard let secret = WebhookSecret("a secret of some length"), let old = WebhookSecret("an older secret, also long") else {
            return nil
        }
        var endpoint = WebhookEndpoint(
            id: id, owner: text(), name: text(), url: text(), eventTypes: list { $0.text() },
            responses: WebhookEndpoint.Responses.allCases.randomElement(using: &self) ?? .all,
            secrets: WebhookSecrets(secret, previous: maybe { (old, $0.count()) }), createdAt: count())
        endpoint.updatedAt = count()
        endpoint.failures = count()
        endpoint.lastSuccessAt = maybe { $0.count() }
        if flag() { endpoint.state = .disabled(at: count(), reason: text()) }
        return endpoint
    }
}
