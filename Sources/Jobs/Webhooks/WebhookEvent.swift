import Bytes
import Digests
import JSON

/// An event, as sent to receivers.
package struct WebhookEvent: Sendable, Hashable {
    /// All event types, by OpenAI's names.
    package static let types = [
        "response.completed", "response.failed", "response.incomplete", "response.cancelled",
        "batch.completed", "batch.failed", "batch.expired", "batch.cancelled",
    ]

    /// `evt_…`, also the `webhook-id`: the same for every receiver and attempt.
    package let id: String
    package let type: String
    package let owner: String
    /// Identifier of the object: a response or a batch.
    package let objectID: String
    /// Seconds since 1970.
    package let createdAt: Int
    /// A sample, sent on request.
    package var isTest = false

    package init(id: String, type: String, owner: String, objectID: String, createdAt: Int, isTest: Bool = false) {
        self.id = id
        self.type = type
        self.owner = owner
        self.objectID = objectID
        self.createdAt = createdAt
        self.isTest = isTest
    }

    /// An object ends only once, so reporting the end again after a crash gives the same event.
    package init(type: String, owner: String, objectID: String, createdAt: Int) {
        self.init(
            id: "evt_" + Self.digest(of: type + "\n" + objectID), type: type, owner: owner, objectID: objectID, createdAt: createdAt
        )
    }

    /// The request body.
    package var payload: [UInt8] {
        var buffer = ByteBuffer()
        buffer.appendJSONObject { event in
            event.field("id", id)
            event.field("object", "event")
            event.field("created_at", createdAt)
            event.field("type", type)
            event.object("data") { $0.field("id", objectID) }
        }
        return buffer.array
    }

    /// 128 bits of a SHA-256 in hexadecimal.
    static func digest(of text: String) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(
            decoding: SHA256.digest(text).prefix(16).flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
