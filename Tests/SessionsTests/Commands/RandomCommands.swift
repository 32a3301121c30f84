import JSON
import ToldSession

@testable import Sessions

/// Commands and outcomes with whatever they may hold.
struct RandomCommands: RandomValues {
    var generator: SplitMix64

    init(seed: UInt64) { generator = SplitMix64(seed: seed) }

    // MARK: Parts

    mutating func number() -> Int { [0, 1, -1, 63, 64, -64, -65, 1 << 40, .max, .min].randomElement(using: &self) ?? 0 }
    mutating func position() -> LogPosition {
        LogPosition(
            epoch: [0, 1, 64, .max].randomElement(using: &self) ?? 0,
            sequence: [-1, 0, 1, 63, 1 << 40, .max].randomElement(using: &self) ?? 0)
    }
    mutating func text() -> String {
        ["", "a", "null", "é\u{301}\t\"\\", "😀 ☃", "\u{0}", String(repeating: "x", count: 200)].randomElement(using: &self) ?? ""
    }
    mutating func bytes() -> [UInt8] { list { UInt8(truncatingIfNeeded: $0.next()) } }
    mutating func json() -> JSONValue { flag() ? .null : value() }
    mutating func participant() -> Participant { Participant(id: text(), name: text()) }

    // MARK: Commands

    /// One maker for each kind of command.
    static let kinds: [@Sendable (inout RandomCommands) -> SessionCommand.Kind] = [
        { .submit($0.submit()) },
        {
            .steer(
                SessionCommand.Steer(
                    Input.Steer(id: $0.text(), responseID: $0.text()), items: $0.list { $0.item() }, successorID: $0.text(),
                    policy: $0.maybe { $0.policy() }, waitsForToolOutputs: $0.flag()))
        },
        { .cancel($0.cancel()) },
        { .addItems(NewItems($0.list { $0.item() })) },
        { .insertItems(NewItems($0.list { $0.item() }), after: $0.maybe { $0.text() }) },
        { .replaceItem($0.item()) },
        {
            .truncateItem(
                SessionCommand.Truncate(
                    itemID: $0.text(), toUTF8Count: $0.number(), audioEndMilliseconds: $0.maybe { $0.number() }))
        },
        { .deleteItem(id: $0.text()) },
        { .setMetadata($0.json()) },
        { .deleteResponse(id: $0.text()) },
        { _ in .deleteSession },
        { .addSteps(responseID: $0.text(), $0.list { $0.step() }) },
        { .join(SessionCommand.Join(participant: $0.maybe { $0.participant() }, after: $0.maybe { $0.position() })) },
        { .leave($0.participant()) },
        { .follow(.after($0.position())) },
        { .follow(.response(id: $0.text(), after: $0.position())) },
        { .follow(.endOfResponse(id: $0.text())) },
        { _ in .readState },
        { _ in .readSummary },
        { .readResponse(id: $0.text(), withObject: $0.flag()) },
        { .readItems(.conversation, $0.range()) },
        { .readItems(.input(ofResponse: $0.text()), $0.range()) },
        { .readItem(id: $0.text()) },
        { .measurePrompt(upTo: $0.maybe { $0.text() }) },
    ]

    private mutating func range() -> SessionCommand.ItemRange {
        SessionCommand.ItemRange(limit: number(), isAscending: flag(), after: maybe { $0.text() })
    }

    private mutating func submit() -> SessionCommand.Submit {
        let whole = flag()
        var submit = SessionCommand.Submit(
            NewItems(list { $0.item() }), responseID: text(),
            parameters: whole
                ? .whole(parameters())
                : .overDefaults(
                    model: maybe { $0.text() }, instructions: maybe { $0.text() }, members: object(),
                    firstModel: maybe { $0.text() }))
        submit.mode = maybe { $0.mode() }
        submit.policy = maybe { $0.policy() }
        submit.speaker = maybe { $0.flag() ? .participant($0.participant()) : .guest(name: $0.text()) }
        submit.itemsSpeaker = maybe { $0.text() }
        submit.clientEventID = maybe { $0.text() }
        submit.isWarmUp = flag()
        submit.continuation = maybe {
            SessionCommand.Submit.Continuation(of: $0.text(), isStored: $0.flag(), isDurable: $0.flag())
        }
        submit.withObject = flag()
        submit.withStanding = flag()
        return submit
    }

    private mutating func cancel() -> SessionCommand.Cancel {
        SessionCommand.Cancel(
            responseID: maybe { $0.text() }, by: maybe { $0.participant() }, clientEventID: maybe { $0.text() },
            reason: [.cancel, .disconnect, .shutdown, .restart, .storageUnavailable].randomElement(using: &self) ?? .cancel,
            dropsQueued: flag(), answer: [.nothing, .object, .objectInAnyCase, .standing].randomElement(using: &self) ?? .nothing)
    }

    // MARK: Outcomes

    /// One maker for each outcome, but the refusals.
    static let outcomes: [@Sendable (inout RandomCommands) -> SessionOutcome] = [
        { _ in .done },
        {
            .accepted(
                SessionOutcome.Accepted(
                    sessionID: $0.text(), responseID: $0.text(), position: $0.position(), mode: $0.maybe { $0.mode() },
                    interrupted: $0.maybe {
                        Interrupted(
                            responseID: $0.text(), itemID: $0.maybe { $0.text() }, outputText: $0.text(), outputTokens: $0.number())
                    }, object: $0.maybe { $0.bytes() }, standing: nil))
        },
        { .steerKept(callIDs: $0.list { $0.text() }) },
        { .response($0.standing()) },
        { .summary(SessionSummary(record: $0.record(), isGenerating: $0.flag(), lastPosition: $0.position())) },
        { .items($0.list { $0.item() }, hasMore: $0.flag()) },
        { .byteCount($0.number()) },
        { .following([.begun, .unverified, .ended].randomElement(using: &$0) ?? .begun) },
        { .steps($0.standing(), areTaken: $0.flag()) },
    ]

    private mutating func record() -> SessionRecord {
        SessionRecord(
            id: text(), owner: text(), createdAt: number(), defaults: parameters(), mode: mode(), policy: policy(),
            metadata: json(), forkedFrom: maybe { $0.text() })
    }

    private mutating func standing() -> ResponseStanding {
        ResponseStanding(
            id: text(), status: text(), incompleteReason: maybe { $0.text() }, isOpen: flag(), createdAt: number(),
            eventCount: number(), precedingPosition: position(), lastPosition: position(), epoch: number(),
            object: maybe { $0.bytes() })
    }

    /// One maker for each reason to refuse.
    static let refusals: [@Sendable (inout RandomCommands) -> SessionError] = [
        { .responseInProgress(responseID: $0.text()) }, { .responseNotActive(responseID: $0.text()) }, { _ in .noActiveResponse },
        { .tooManyQueuedInputs(limit: $0.number()) }, { .tooManyPendingSteers(limit: $0.number()) },
        { .conversationTooLarge(limitBytes: $0.number()) }, { .duplicateItem(id: $0.text()) },
        { .resultWithoutCall(callID: $0.text(), index: $0.number()) }, { .tooManyParticipants(limit: $0.number()) },
        { .tooManyCursors(limit: $0.number()) }, { _ in .sessionClosed }, { .responseNotFound($0.text()) },
        { .eventsExpired(responseID: $0.text()) },
        { .previousResponseNotFound($0.text()) }, { .responseAlreadyCompleted(responseID: $0.text()) },
        { .successorRefused(.duplicateItem(id: $0.text())) }, { .itemNotFound($0.text()) }, { .itemNotInList($0.text()) },
        { .itemNotTruncatable($0.text()) },
        { .tooManySteps(limit: $0.number()) }, { _ in .missingModel },
        { .parameterRefused(message: $0.text(), param: $0.maybe { $0.text() }, code: $0.maybe { $0.text() }) },
        { _ in .notCommitted }, { _ in .unexpectedOutcome },
    ]
}
