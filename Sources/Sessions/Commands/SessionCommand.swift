public import JSON

/// A request to one session, as a value: without closures, connections or live objects, so that it can be sent to the loop, and
/// later to the machine, that the session lives on. ``Session/handle(_:following:)`` performs it; its result is a
/// ``SessionOutcome``.
public struct SessionCommand: Sendable, Equatable {
    /// Unique identifier of the command, by which a repeated delivery is recognized.
    public let id: String
    /// What is to be done.
    public let kind: Kind

    /// A command with a new identifier, unless one is given.
    public init(_ kind: Kind, id: String = Identifier.make("cmd_")) {
        self.id = id
        self.kind = kind
    }

    /// All commands, with their outcomes other than ``SessionOutcome/refused(_:)``.
    public enum Kind: Sendable, Equatable {
        /// Accepts an input: ``SessionOutcome/accepted(_:)``.
        case submit(Submit)
        /// Steers a response: ``SessionOutcome/accepted(_:)`` or ``SessionOutcome/steerKept(callIDs:)``.
        case steer(Steer)
        /// Cancels a response: ``SessionOutcome/response(_:)`` if requested, otherwise ``SessionOutcome/done``.
        case cancel(Cancel)

        /// Appends items to the conversation without a response: ``SessionOutcome/summary(_:)``.
        case addItems(NewItems)
        /// Inserts items into the conversation: ``SessionOutcome/summary(_:)``.
        /// - `after`: identifier of the preceding item; nil inserts at the beginning.
        case insertItems(NewItems, after: String?)
        /// Replaces the item with the same identifier: ``SessionOutcome/summary(_:)``.
        case replaceItem(Item)
        /// Truncates a message to what was heard of it: ``SessionOutcome/items(_:hasMore:)`` with the truncated message.
        case truncateItem(Truncate)
        /// Deletes an item from the conversation: ``SessionOutcome/summary(_:)``.
        case deleteItem(id: String)
        /// Replaces the session's metadata: ``SessionOutcome/summary(_:)``.
        case setMetadata(JSONValue)
        /// Deletes a response, after cancelling it if it runs: ``SessionOutcome/done``.
        case deleteResponse(id: String)
        /// Deletes the session, after cancelling its responses: ``SessionOutcome/done``.
        case deleteSession
        /// Reports steps that accompany a response's output: ``SessionOutcome/steps(_:areTaken:)``.
        case addSteps(responseID: String, [Step])

        /// Follows the session from a position, optionally as a participant: ``SessionOutcome/joined(_:after:)``. Needs a cursor.
        case join(Join)
        /// Ends the participation begun by a join: ``SessionOutcome/done``.
        case leave(Participant)
        /// Follows the log from a position: ``SessionOutcome/following(_:)``. Needs a cursor.
        case follow(Follow)

        /// Reads the session with its contents: ``SessionOutcome/state(_:)``.
        case readState
        /// Reads the session without its contents: ``SessionOutcome/summary(_:)``.
        case readSummary
        /// Reads a response: ``SessionOutcome/response(_:)``.
        /// - `withObject`: whether to encode the response object.
        case readResponse(id: String, withObject: Bool)
        /// Reads a page of items: ``SessionOutcome/items(_:hasMore:)``.
        case readItems(ItemSource, ItemRange)
        /// Reads one item of the conversation: ``SessionOutcome/items(_:hasMore:)``.
        case readItem(id: String)
        /// Measures the text of the conversation in bytes, as a whole or up to the end of a response:
        /// ``SessionOutcome/byteCount(_:)``.
        case measurePrompt(upTo: String?)
    }
}

/// The items of a command.
public struct NewItems: Sendable, Equatable {
    /// The items.
    public var items: [Item]
    /// The items as encoded for the log, if that was done off the loop. Encoded again if missing, so not part of the value.
    public var encoded: EncodedItems?

    /// Items, with their encoding if there is one.
    public init(_ items: [Item], encoded: EncodedItems? = nil) {
        self.items = items
        self.encoded = encoded
    }

    public static func == (left: NewItems, right: NewItems) -> Bool { left.items == right.items }
}

extension SessionCommand {
    /// An input from any face.
    public struct Submit: Sendable, Equatable {
        /// Its items.
        public var new: NewItems
        /// The identifier of its response.
        public var responseID: String
        /// The parameters of its response.
        public var parameters: Parameters
        /// Nil for the session's default.
        public var mode: InterjectionMode?
        /// Nil for the session's default.
        public var policy: DisconnectPolicy?
        /// The participant that it is from; nil if unnamed.
        public var speaker: Speaker?
        /// The name that the items already contain.
        public var itemsSpeaker: String?
        /// The client's identifier of the command, echoed in the acknowledgement.
        public var clientEventID: String?
        /// Whether to accept the input without generating a response (`generate: false`).
        public var isWarmUp = false
        /// Nil to continue this session's conversation as it is.
        public var continuation: Continuation?
        /// Whether the outcome includes the response object.
        public var withObject = false
        /// Whether the outcome has the session as it stood right before, for a cursor that joins with the input.
        public var withStanding = false

        /// An input with the session's defaults.
        public init(_ new: NewItems, responseID: String, parameters: Parameters) {
            self.new = new
            self.responseID = responseID
            self.parameters = parameters
        }

        /// The parameters of a response.
        public enum Parameters: Sendable, Equatable {
            case whole(ResponseParameters)
            /// The session's defaults, overridden by the given members.
            /// - `firstModel`: the model for a session whose defaults have none.
            case overDefaults(model: String?, instructions: String?, members: JSONObject, firstModel: String?)
        }

        /// The participant that an input is from.
        public enum Speaker: Sendable, Equatable {
            case participant(Participant)
            /// A caller without a connection to join through: the same name means the same participant.
            case guest(name: String)
        }

        /// A previous response that the input continues: in this session if it is the last, otherwise on a branch, which is a
        /// session of its own.
        public struct Continuation: Sendable, Equatable {
            /// The identifier of the previous response.
            public var previousResponseID: String
            /// Whether a branch outlives its listeners.
            public var isStored: Bool
            /// Whether the input is stored. If this session differs, the input goes to a branch.
            public var isDurable: Bool

            /// A continuation of a response.
            public init(of previousResponseID: String, isStored: Bool, isDurable: Bool) {
                self.previousResponseID = previousResponseID
                self.isStored = isStored
                self.isDurable = isDurable
            }
        }
    }

    /// An input to a running response: interrupts it, and a successor continues with both in mind.
    public struct Steer: Sendable, Equatable {
        /// The identifiers of the steer and of the steered response.
        public var steer: Input.Steer
        /// Its items.
        public var items: [Item]
        /// The identifier of the successor.
        public var successorID: String
        /// Nil for the policy of the steered response.
        public var policy: DisconnectPolicy?
        /// Whether the steer waits for tool outputs if the response has completed with tool calls.
        public var waitsForToolOutputs: Bool

        /// A steer that does not wait for tool outputs unless told to.
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

    /// Cancels a response.
    public struct Cancel: Sendable, Equatable {
        /// A running or waiting response; nil for the running one.
        public var responseID: String?
        /// The participant that cancels; nil if unnamed.
        public var participant: Participant?
        /// The client's identifier of the command, echoed in the acknowledgement.
        public var clientEventID: String?
        /// The reason that readers are told.
        public var reason: Session.CancelReason
        /// Whether waiting inputs are dropped, too.
        public var dropsQueued: Bool
        /// What the outcome contains.
        public var answer: Answer

        /// The contents of a cancel's outcome.
        public enum Answer: UInt8, Sendable {
            case nothing
            /// The response object.
            case object
            /// The response object, even if the response had already ended.
            case objectInAnyCase
            /// The response, without its object.
            case standing
        }

        /// A cancel without a response object unless requested.
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

    /// The part of a message that remains.
    public struct Truncate: Sendable, Equatable {
        /// The identifier of the message.
        public var itemID: String
        /// Bytes of its text that remain, in UTF-8; a character that would be split is removed. No effect if the text is not
        /// longer.
        public var utf8Count: Int
        /// Milliseconds of its audio that were heard, passed on to readers; nil if it was truncated by text.
        public var audioEndMilliseconds: Int?

        /// A truncation of one message.
        public init(itemID: String, toUTF8Count utf8Count: Int, audioEndMilliseconds: Int? = nil) {
            self.itemID = itemID
            self.utf8Count = utf8Count
            self.audioEndMilliseconds = audioEndMilliseconds
        }
    }

    /// The start of following a session.
    public struct Join: Sendable, Equatable {
        /// Nil to watch only.
        public var participant: Participant?
        /// Position after which events are delivered; nil for the position of the state in the outcome.
        public var after: LogPosition?

        /// Follows after a position, optionally as a participant.
        public init(participant: Participant?, after: LogPosition?) {
            self.participant = participant
            self.after = after
        }
    }

    /// The position at which a reader of the log begins.
    public enum Follow: Sendable, Equatable {
        /// After an event of the log.
        case after(LogPosition)
        /// With a response, after the event with this `sequence_number`, in the epoch that the client knows; -1 for all of its
        /// events. Refused with ``SessionError/eventsExpired(responseID:)`` if the log does not have that event.
        case response(id: String, after: LogPosition)
        /// At the end of the log, to wait for the end of a response. If it has already ended, the outcome is the response object,
        /// and the cursor is not attached.
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
        /// The maximum number of items.
        public var limit: Int
        /// Oldest first.
        public var isAscending: Bool
        /// The identifier of the item before the page; nil for the first page.
        public var after: String?

        /// A page of at most `limit` items.
        public init(limit: Int, isAscending: Bool, after: String?) {
            self.limit = limit
            self.isAscending = isAscending
            self.after = after
        }
    }
}
