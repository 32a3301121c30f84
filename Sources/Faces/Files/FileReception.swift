import API
import Digests
import HTTP
import Hosting
import Jobs
import Network
import Sessions

/// Receives the form of `POST /v1/files` as a stream and writes the file to the disk, with at most a window of it in memory: the
/// client is slowed to the speed of the disk. Loop-confined.
final class FileReception {
    /// Maximum size of a form without its file, in bytes.
    static let maxFormBytes = 1 << 20
    /// Maximum size of a field other than the file, in bytes.
    private static let maxFieldBytes = 4096
    /// Size of a write to the disk, in bytes.
    private static let pieceBytes = 256 << 10
    /// Maximum number of bytes on their way to the disk.
    private static let windowBytes = 1 << 20
    private static let maxFilenameBytes = 512

    private let call: Call
    private let library: FileLibrary
    /// Digest of the file, if the command has an idempotency key, which must not be reused for another file.
    private let digest: SHA256.Running?
    private var parser: MultipartParser
    private var fields: [String: String] = [:]
    /// The current field and its value so far.
    private var field: (name: String, value: [UInt8])?
    private var filename: String?
    private var upload: FileUpload?
    private var piece: [UInt8] = []
    private var bytesOnTheWay = 0
    private var isOver = false

    init(_ call: Call, _ library: FileLibrary, _ parser: consuming MultipartParser) {
        self.call = call
        self.library = library
        digest = call.request.fields["idempotency-key"] == nil ? nil : SHA256.Running()
        self.parser = parser
    }

    func start() {
        let exchange = call.exchange
        exchange.onBody = { [self] in receive($0) }
        exchange.onBodyEnd = { [self] in receivedAll() }
        exchange.onDisconnect = { [self] in giveUp() }
        // Without a body, not even its end is reported.
        if exchange.request.body == .none { receivedAll() }
    }

    private func receive(_ bytes: UnsafeRawBufferPointer) {
        if isOver { return }
        do throws(APIError) {
            try read(bytes)
        } catch {
            fail(error)
            return
        }
        if bytesOnTheWay > Self.windowBytes { call.exchange.pauseBody() }
    }

    private func read(_ bytes: UnsafeRawBufferPointer) throws(APIError) {
        var input = bytes
        while true {
            switch try next(&input) {
            case .needsMoreBytes, .end: if input.isEmpty { return }
            case .part(let head): try begin(head)
            case .data(let data): try take(data)
            case .partEnd:
                if let field { fields[field.name] = String(decoding: field.value, as: UTF8.self) }
                field = nil
            }
        }
    }

    private func next(_ input: inout UnsafeRawBufferPointer) throws(APIError) -> MultipartParser.Event {
        do throws(MultipartError) {
            return try parser.next(&input)
        } catch {
            throw .invalid("The form cannot be read. \(error)", code: "invalid_form")
        }
    }

    private func begin(_ head: MultipartHead) throws(APIError) {
        if head.name == "file" {
            guard upload == nil else { throw .invalid("There must be one 'file'.", param: "file", code: "invalid_form") }
            guard let name = head.filename, (1...Self.maxFilenameBytes).contains(name.utf8.count), !name.utf8.contains(0) else {
                throw .invalid(
                    "'file' must have a filename of 1 to \(Self.maxFilenameBytes) bytes, without U+0000.", param: "file",
                    code: "invalid_form")
            }
            filename = name
            upload = library.beginUpload(owner: call.owner)
        } else {
            guard fields[head.name] == nil else {
                throw .invalid("'\(head.name)' comes twice.", param: head.name, code: "invalid_form")
            }
            field = (head.name, [])
        }
    }

    private func take(_ data: UnsafeRawBufferPointer) throws(APIError) {
        if let name = field?.name {
            field?.value.append(contentsOf: data)
            guard field?.value.count ?? 0 <= Self.maxFieldBytes else {
                throw .invalid("'\(name)' is longer than \(Self.maxFieldBytes) bytes.", param: name, code: "invalid_form")
            }
            return
        }
        digest?.append(data)
        if piece.isEmpty { piece.reserveCapacity(Self.pieceBytes + data.count) }
        piece.append(contentsOf: data)
        if piece.count >= Self.pieceBytes { try handOver() }
    }

    private func handOver() throws(APIError) {
        guard let upload, !piece.isEmpty else { return }
        let bytes = piece
        piece = []
        bytesOnTheWay += bytes.count
        let bound = LoopBound(self, on: call.loop)
        do throws(JobError) {
            try upload.append(bytes) { error in bound.run { $0.written(bytes.count, error) } }
        } catch {
            throw APIError(error)
        }
    }

    private func written(_ byteCount: Int, _ error: JobError?) {
        bytesOnTheWay -= byteCount
        if isOver { return }
        if let error {
            fail(APIError(error))
        } else if bytesOnTheWay <= Self.windowBytes / 2 {
            call.exchange.resumeBody()
        }
    }

    private func receivedAll() {
        if isOver { return }
        do throws(APIError) {
            try complete()
        } catch {
            fail(error)
        }
    }

    private func complete() throws(APIError) {
        do throws(MultipartError) {
            try parser.finish()
        } catch {
            throw .invalid("The form cannot be read. \(error)", code: "invalid_form")
        }
        guard let upload, let filename else {
            throw .invalid("'file' is missing.", param: "file", code: "missing_required_parameter")
        }
        guard let purpose = fields["purpose"] else {
            throw .invalid("'purpose' is missing.", param: "purpose", code: "missing_required_parameter")
        }
        guard StoredFile.purposes.contains(purpose) else {
            throw .invalid(
                "'purpose' must be one of \(StoredFile.purposes.joined(separator: ", ")).", param: "purpose", code: "invalid_value")
        }
        let expires = try expiry()
        try handOver()
        isOver = true
        self.upload = nil
        // An upload that is released is abandoned, as for a retry that is answered with the earlier outcome.
        try call.onceReceived(fingerprint(filename)) { call in
            call.respondLater(within: upload.commitDeadline) { () throws(JobError) in
                let file = try await upload.commit(purpose: purpose, filename: filename, expires: expires)
                return JSONAnswer { file.write(to: &$0) }
            }
        }
    }

    /// Digest of the form's content, which is independent of its encoding: SDKs generate a new boundary for each attempt.
    private func fingerprint(_ filename: String) -> [UInt8] {
        guard let digest = digest?.finish(), !digest.isEmpty else { return [] }
        let fields = fields.sorted { $0.key < $1.key }.flatMap { [$0.key, $0.value] }
        // With lengths, so that fields cannot be confused.
        let told = ([filename] + fields).map { "\($0.utf8.count) \($0)" }.joined()
        return (digest + told.utf8).withUnsafeBytes(SHA256.digest)
    }

    private func expiry() throws(APIError) -> ExpiresAfter? {
        let anchor = fields["expires_after[anchor]"]
        let seconds = fields["expires_after[seconds]"]
        if anchor == nil, seconds == nil { return nil }
        do throws(JobError) {
            return try ExpiresAfter(anchor: anchor, seconds: seconds.flatMap { Int($0) }, param: "expires_after")
        } catch {
            throw APIError(error)
        }
    }

    private func fail(_ error: APIError) {
        giveUp()
        call.fail(error)
    }

    private func giveUp() {
        isOver = true
        upload?.abandon()
        upload = nil
        piece = []
    }
}

extension FileUpload {
    /// How long the response waits for the disk: longer for a large file, at 8 MiB a second.
    fileprivate var commitDeadline: Duration { CommitWait.deadline + .seconds(byteCount >> 23) }
}
