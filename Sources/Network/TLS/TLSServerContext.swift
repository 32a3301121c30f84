import COpenSSL
import Synchronization

/// The server side of TLS: certificates, ticket keys and counters, shared by all loops.
public final class TLSServerContext: Sendable {
    public let settings: TLSSettings
    private let current: Mutex<TLSCertificateSet>
    private let ticketKeys: TLSTicketKeys
    private let failures = Mutex<[TLSError.Reason: Int]>([:])
    private let handshakes = Atomic<Int>(0)
    private let resumptions = Atomic<Int>(0)
    private let kernelSends = Atomic<Int>(0)
    private let kernelReceives = Atomic<Int>(0)

    /// - Throws: ``TLSFileError`` for the first unusable file.
    public init(_ settings: TLSSettings) throws(TLSFileError) {
        self.settings = settings
        ticketKeys = TLSTicketKeys()
        current = Mutex(try TLSCertificateSet(settings, ticketKeys: ticketKeys))
    }

    /// Re-reads the files for new handshakes. Open connections are not affected.
    /// - Throws: ``TLSFileError``; the previous files then remain in use.
    public func reload() throws(TLSFileError) {
        let new = try TLSCertificateSet(settings, ticketKeys: ticketKeys)
        current.withLock { $0 = new }
    }

    var certificates: TLSCertificateSet { current.withLock { $0 } }

    /// Whether OpenSSL passes the keys of a connection to the kernel.
    package var asksKernel: Bool { copenssl_asks_kernel(certificates.defaultContext) }

    /// Creates the layer for one accepted connection.
    package func layer(over lower: SocketLayer? = nil) -> SocketLayer { TLSLayer(.server(self), lower: lower) }

    // MARK: Counts

    /// Successful handshakes, and how many of them resumed.
    public var handshakeCounts: (total: Int, resumed: Int) {
        (handshakes.load(ordering: .relaxed), resumptions.load(ordering: .relaxed))
    }

    /// Failed handshakes and broken connections, by reason.
    public var failureCounts: [TLSError.Reason: Int] { failures.withLock { $0 } }

    func countHandshake(isResumed: Bool) {
        handshakes.add(1, ordering: .relaxed)
        if isResumed { resumptions.add(1, ordering: .relaxed) }
    }

    /// Connections encrypted and decrypted by the kernel (kTLS).
    public var kernelCounts: (sends: Int, receives: Int) {
        (kernelSends.load(ordering: .relaxed), kernelReceives.load(ordering: .relaxed))
    }

    func countKernel(sends: Bool, receives: Bool) {
        if sends { kernelSends.add(1, ordering: .relaxed) }
        if receives { kernelReceives.add(1, ordering: .relaxed) }
    }

    func count(_ failure: TLSError) { failures.withLock { $0[failure.reason, default: 0] += 1 } }
}
