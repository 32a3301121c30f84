import API
import Bytes
import Network

final class NotesSocket: FaceSocket {
    static let opening = SocketOpening(subprotocols: ["notes.v1"]) { call in { NotesSocket($0, for: call) } }

    /// Nothing runs once the client has said so.
    private var isBusyWithNotes = false
    override var isAtRest: Bool { !isBusyWithNotes }

    override func receivedText(_ text: UnsafeRawBufferPointer) {
        let word = String(decoding: text, as: UTF8.self)
        isBusyWithNotes = word == "work"
        sendText { $0.append("\(self.owner): \(word)") }
    }

    override func tell(_ error: APIError) { sendText { $0.append(error.code ?? "") } }
}
