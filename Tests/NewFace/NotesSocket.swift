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
        if word.hasPrefix("shout ") { return shout(word) }
        sendText { $0.append("\(self.owner): \(word)") }
    }

    /// Answers in a later iteration, which the end of the connection waits for.
    private func shout(_ word: String) {
        runOffLoop {
            word.dropFirst("shout ".count).uppercased()
        } then: { [self] loud in
            sendText { $0.append(loud ?? "") }
        }
    }

    override func tell(_ error: APIError) { sendText { $0.append(error.code ?? "") } }
}
