import API
import Bytes
import HTTP
import Jobs
import Network

/// Sends a file from the disk in pieces, as fast as the client reads. Loop-confined.
final class FileDownload {
    private static let pieceBytes = 256 << 10

    private let call: Call
    private let file: StoredFile
    private let reader: FileReader
    private var offset = 0
    private var isReading = false

    init(_ call: Call, _ file: StoredFile, _ reader: FileReader) {
        self.call = call
        self.file = file
        self.reader = reader
    }

    func start() {
        let exchange = call.exchange
        exchange.beginStream(
            .ok, contentType: "application/octet-stream",
            fields: [
                ("Content-Disposition", "attachment; filename=\"\(Self.quoted(file.filename))\""),
                ("X-Content-Type-Options", "nosniff"),
            ], length: .bytes(reader.byteCount))
        if call.request.method == .head {
            exchange.end()
            return
        }
        exchange.onDrained = { [self] in goOn() }
        goOn()
    }

    private func goOn() {
        if isReading || call.exchange.isEnded { return }
        if offset >= reader.byteCount {
            call.exchange.end()
            return
        }
        if call.exchange.isCongested { return }
        isReading = true
        let bound = LoopBound(self, on: call.loop)
        reader.read(at: offset, count: Self.pieceBytes) { result in bound.run { $0.send(result) } }
    }

    private func send(_ result: Result<[UInt8], JobError>) {
        isReading = false
        guard case .success(let bytes) = result, !bytes.isEmpty else {
            // The header has been sent: only an aborted connection shows that the file is incomplete.
            call.exchange.abort()
            return
        }
        offset += bytes.count
        call.exchange.write { $0.append(bytes) }
        goOn()
    }

    /// As ASCII, for a quoted string.
    private static func quoted(_ name: String) -> String {
        String(name.unicodeScalars.map { (0x20..<0x7F).contains($0.value) && $0 != "\"" && $0 != "\\" ? Character($0) : "_" })
    }
}
