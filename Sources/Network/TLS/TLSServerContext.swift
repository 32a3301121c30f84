import COpenSSL
import Synchronization

/// A server's side of TLS: its certificates, its ticket keys and its counts, shared by all loops.
public final class TLSServerContext: Sendable {
    public let settings: TLSSettings
    private let current: Mutex<TLSCertificateSet>
    private let ticketKeys: TLSTicketKeys
    private let failures = Mutex<[TLSError.Reason: Int]>([:])
    private let handshakes = Atomic<Int>(0)
    private let resumptions = Atomic<Int>(0)
    private let kernelSends = Atomic<Int>(0)
    private let kernelReceives = Atomic<Int>(0)

    /// - Throws: ``TLSFileError`` for the first file that cannot be used.
    public init(_ settings: TLSSettings) throws(TLSFileError) {
        self.settings = settings
        ticketKeys = TLSTicketKeys()
        current = Mutex(try TLSCertificateSet(settings, ticketKeys: ticketKeys))
    }

    /// Reads the files again. Handshakes that begin from now on use them; connections that stand are not touched.
    /// - Throws: ``TLSFileError``; then what was loaded before stays in use.
    public func reload() throws(TLSFileError) {
        let new = try TLSCertificateSet(settings, ticketKeys: ticketKeys)
        current.withLock { $0 = new }
    }

    var certificates: TLSCertificateSet { current.withLock { $0 } }

    /// Whether OpenSSL is to hand the keys of a connection to the kernel.
    package var asksKernel: Bool { copenssl_asks_kernel(certificates.defaultContext) }

    /// The layer for one accepted connection.
    package func layer(over lower: SocketLayer? = nil) -> SocketLayer { TLSLayer(.server(self), lower: lower) }

    // MARK: Counts

    /// Handshakes that succeeded, and how many of them by a ticket.
    public var handshakeCounts: (total: Int, resumed: Int) {
        (handshakes.load(ordering: .relaxed), resumptions.load(ordering: .relaxed))
    }

    /// Handshakes that failed and connections that broke, by reason.
    public var failureCounts: [TLSError.Reason: Int] { failures.withLock { $0 } }

    func countHandshake(isResumed: Bool) {
        handshakes.add(1, ordering: .relaxed)
        if isResumed { resumptions.add(1, ordering: .relaxed) }
    }

    /// Connections of which the kernel encrypts what is sent, and decrypts what is received (kTLS).
    public var kernelCounts: (sends: Int, receives: Int) {
        (kernelSends.load(ordering: .relaxed), kernelReceives.load(ordering: .relaxed))
    }

    func countKernel(sends: Bool, receives: Bool) {
        if sends { kernelSends.add(1, ordering: .relaxed) }
        if receives { kernelReceives.add(1, ordering: .relaxed) }
    }

    func count(_ failure: TLSError) { failures.withLock { $0[failure.reason, default: 0] += 1 } }
}
