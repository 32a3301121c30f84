public import JSON

/// A request to one session, as a value: it holds no closure, no connection and no live object, so it can be sent to the loop, and
/// later to the machine, that the session lives on. ``Session/handle(_:following:)`` carries it out; the answer is a
/// ``SessionOutcome``.
public struct SessionCommand: Sendable, Equatable {
    /// Names this command among all others: an owner that gets it twice can tell.
    public let id: String
    public let kind: Kind

    public init(_ kind: Kind, id: String = Identifier.make("cmd_")) {
        self.id = id
        self.kind = kind
    }

    /// All commands there are. The outcome of each, besides ``SessionOutcome/refused(_:)``, stands beside it.
    public enum Kind: Sendable, Equatable {
        /// Takes an input in: ``SessionOutcome/accepted(_:)``.
        case submit(Submit)
        /// Steers a response: ``SessionOutcome/accepted(_:)`` or ``SessionOutcome/steerKept(callIDs:)``.
        case steer(Steer)
        /// Cancels a response: ``SessionOutcome/response(_:)`` if that was asked for, otherwise ``SessionOutcome/done``.
        case cancel(Cancel)

        /// Adds items to the conversation without asking a model: ``SessionOutcome/summary(_:)``.
        case addItems(NewItems)
        /// Puts items behind another one, or before all others: ``SessionOutcome/summary(_:)``.
        /// - `after`: identifier of the item before them; nil: the beginning of the conversation.
        case insertItems(NewItems, after: String?)
        /// Puts an item in the position of the one with its identifier: ``SessionOutcome/summary(_:)``.
        case replaceItem(Item)
        /// Cuts a message down to what was heard of it: ``SessionOutcome/items(_:hasMore:)`` with the message as it is then.
        case truncateItem(Truncate)
        /// Takes an item out of the conversation: ``SessionOutcome/summary(_:)``.
        case deleteItem(id: String)
        /// Replaces the session's metadata: ``SessionOutcome/summary(_:)``.
        case setMetadata(JSONValue)
        /// Cancels a response if it runs, and forgets it: ``SessionOutcome/done``.
        case deleteResponse(id: String)
        /// Cancels what runs, and forgets the session: ``SessionOutcome/done``.
        case deleteSession
        /// Tells of steps beside the answer of a response: ``SessionOutcome/steps(_:areTaken:)``.
        case addSteps(responseID: String, [Step])

        /// Follows the session from a position, perhaps as a participant: ``SessionOutcome/joined(_:after:)``. Needs a cursor.
        case join(Join)
        /// Ends the participation that a join began: ``SessionOutcome/done``.
        case leave(Participant)
        /// Reads the log from a position: ``SessionOutcome/following(_:)``. Needs a cursor.
        case follow(Follow)

        /// ``SessionOutcome/state(_:)``
        case readState
        /// ``SessionOutcome/summary(_:)``
        case readSummary
        /// ``SessionOutcome/response(_:)``
        /// - `withObject`: whether the response object is to be encoded.
        case readResponse(id: String, withObject: Bool)
        /// ``SessionOutcome/items(_:hasMore:)``
        case readItems(ItemSource, ItemRange)
        /// One item of the conversation: ``SessionOutcome/items(_:hasMore:)``.
        case readItem(id: String)
        /// Bytes of text in the conversation, or in it up to the end of a response: ``SessionOutcome/byteCount(_:)``.
        case measurePrompt(upTo: String?)
    }
}

/// Items that a command brings.
public struct NewItems: Sendable, Equatable {
    public var items: [Item]
    /// The items as the log has them, where they were encoded off the loop. Made again where it is missing, so it is no part of the
    /// value.
    public var encoded: EncodedItems?

    public init(_ items: [Item], encoded: EncodedItems? = nil) {
        self.items = items
        self.encoded = encoded
    }

    public static func == (left: NewItems, right: NewItems) -> Bool { left.items == right.items }
}

extension SessionCommand {
    /// An input, from any face.
    public struct Submit: Sendable, Equatable {
        public var new: NewItems
        /// The identifier of the response that answers.
        public var responseID: String
        public var parameters: Parameters
        /// nil: the session's default.
        public var mode: InterjectionMode?
        /// nil: the session's default.
        public var policy: DisconnectPolicy?
        public var speaker: Speaker?
        /// The name that the items have in them already.
        public var itemsSpeaker: String?
        /// The client's own name for the command, given back in the acknowledgement.
        public var clientEventID: String?
        /// Take the input in, but generate nothing (`generate: false`).
        public var isWarmUp = false
        /// nil: the input belongs to this session's conversation as it stands.
        public var continuation: Continuation?
        /// Whether the outcome has the response object as it stands right after.
        public var withObject = false
        /// Whether the outcome has the session as it stood right before, for a cursor that joins with the input.
        public var withStanding = false

        public init(_ new: NewItems, responseID: String, parameters: Parameters) {
            self.new = new
            self.responseID = responseID
            self.parameters = parameters
        }

        /// How the response is to be made.
        public enum Parameters: Sendable, Equatable {
            case whole(ResponseParameters)
            /// Missing members come from the session's defaults.
            /// - `firstModel`: for a session whose defaults name no model.
            case overDefaults(model: String?, instructions: String?, members: JSONObject, firstModel: String?)
        }

        /// The participant that an input is from.
        public enum Speaker: Sendable, Equatable {
            case participant(Participant)
            /// A caller without a connection to join by: the same name is the same participant.
            case guest(name: String)
        }

        /// The input goes on from a response: in this session if that is its last, otherwise on a branch, a session of its own.
        public struct Continuation: Sendable, Equatable {
            public var previousResponseID: String
            /// Whether a branch outlives its listeners.
            public var isStored: Bool
            /// Whether the input is to be committed to the store. If this session differs, the input goes to a branch.
            public var isDurable: Bool

            public init(of previousResponseID: String, isStored: Bool, isDurable: Bool) {
                self.previousResponseID = previousResponseID
                self.isStored = isStored
                self.isDurable = isDurable
            }
        }
    }

    /// An input to a response that runs: it is cut, and a successor goes on with both in mind.
    public struct Steer: Sendable, Equatable {
        /// The steer's identifier and the response that is steered.
        public var steer: Input.Steer
        public var items: [Item]
        /// The identifier of the response that goes on.
        public var successorID: String
        /// nil: that of the steered response.
        public var policy: DisconnectPolicy?
        /// Whether the steer waits if the response has completed with calls of tools, until their outputs come.
        public var waitsForToolOutputs: Bool

        public init(
            _ steer: Input.Steer, items: [Item], successorID: String, policy: DisconnectPolicy? = nil, waitsForToolOutputs: Bool
        ) {
            self.steer = steer
            self.items = items
            self.successorID = successorID
            self.policy = policy
            self.waitsForToolOutputs = waitsForToolOutputs
        }
    }

    /// Ends a response before its time.
    public struct Cancel: Sendable, Equatable {
        /// A response that runs or waits; nil: the one that runs.
        public var responseID: String?
        public var participant: Participant?
        /// The client's own name for the command, given back in the acknowledgement.
        public var clientEventID: String?
        public var reason: Session.CancelReason
        /// Whether the inputs that wait are dropped, too.
        public var dropsQueued: Bool
        /// What the outcome tells of the response.
        public var answer: Answer

        public enum Answer: UInt8, Sendable {
            case nothing
            /// The response object.
            case object
            /// The response object, also of a response that had ended before.
            case objectInAnyCase
            /// The response, without its object.
            case standing
        }

        public init(
            responseID: String? = nil, by participant: Participant? = nil, clientEventID: String? = nil,
            reason: Session.CancelReason = .cancel, dropsQueued: Bool = false, answer: Answer = .nothing
        ) {
            self.responseID = responseID
            self.participant = participant
            self.clientEventID = clientEventID
            self.reason = reason
            self.dropsQueued = dropsQueued
            self.answer = answer
        }
    }

    /// How much of a message stays.
    public struct Truncate: Sendable, Equatable {
        public var itemID: String
        /// Bytes of its text that stay, in UTF-8; a character that they would cut in two goes whole. More than it has leave it as it is.
        public var utf8Count: Int
        /// Milliseconds of its audio that were heard, told to readers as they are; nil: it was cut by its text.
        public var audioEndMilliseconds: Int?

        public init(itemID: String, toUTF8Count utf8Count: Int, audioEndMilliseconds: Int? = nil) {
            self.itemID = itemID
            self.utf8Count = utf8Count
            self.audioEndMilliseconds = audioEndMilliseconds
        }
    }

    public struct Join: Sendable, Equatable {
        /// nil: it only watches.
        public var participant: Participant?
        /// Position after which events are delivered; nil: after the state in the outcome.
        public var after: LogPosition?

        public init(participant: Participant?, after: LogPosition?) {
            self.participant = participant
            self.after = after
        }
    }

    /// Where a reader of the log begins.
    public enum Follow: Sendable, Equatable {
        /// Behind an event of the log.
        case after(LogPosition)
        /// With a response, behind the event of that `sequence_number`, in the epoch that the client knows it from; -1: from its first
        /// event. Refused with ``SessionError/eventsExpired(responseID:)`` where that event is none of the log's.
        case response(id: String, after: LogPosition)
        /// At the end of the log, for the end of a response. If it has ended, the outcome is the response object, and the cursor is not
        /// attached.
        case endOfResponse(id: String)
    }

    /// A list of items.
    public enum ItemSource: Sendable, Equatable {
        case conversation
        /// The input of a response.
        case input(ofResponse: String)
    }

    /// A page of a list of items.
    public struct ItemRange: Sendable, Equatable {
        /// The most items of the page.
        public var limit: Int
        /// Oldest first.
        public var isAscending: Bool
        /// The identifier of the item before the page.
        public var after: String?

        public init(limit: Int, isAscending: Bool, after: String?) {
            self.limit = limit
            self.isAscending = isAscending
            self.after = after
        }
    }
}
