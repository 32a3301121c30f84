import Glibc
import Logging
import Network
import Synchronization

/// The issuer's keys in memory, fetched again periodically, and soon after a token names a key that is not among them.
package final class JSONWebKeySource: Sendable {
    /// How often keys are fetched again, so that a revoked one is not trusted for long.
    static let interval = Duration.seconds(300)
    /// Tokens with invented key identifiers must not cause a fetch each.
    static let minInterval = Duration.seconds(10)
    private static let timeout = Duration.seconds(10)
    private static let maxFileBytes = 4 << 20

    /// The keys, and how often they have changed.
    struct Edition: Sendable {
        var keys = JSONWebKeySet()
        var number = 0
    }

    private struct State {
        var edition = Edition()
        /// The text from which the edition was read.
        var text: [UInt8]?
        var lastAttempt: Instant?
        var task: Task<Void, Never>?
    }

    private let state = Mutex(State())
    private let place: JWTSettings.KeySet
    private let loop: EventLoop
    private let logger: Logger

    init(_ place: JWTSettings.KeySet, loop: EventLoop, logger: Logger) {
        self.place = place
        self.loop = loop
        self.logger = logger
    }

    var edition: Edition { state.withLock { $0.edition } }
    /// ``Edition/number`` of the current keys; outcomes found with others are void.
    var editionNumber: Int { state.withLock { $0.edition.number } }

    /// Fetches the keys, and again until ``stop()``.
    func start() async {
        await refresh()
        let task = Task { [weak self] in
            while !Task.isCancelled {
                try? await Task.sleep(for: Self.interval)
                guard !Task.isCancelled, let self else { return }
                await refresh()
            }
        }
        state.withLock { $0.task = task }
    }

    func stop() { state.withLock { $0.task?.cancel() } }

    /// Reports that a token names an unknown key.
    /// - Returns: whether the keys are being fetched again now.
    func lacksKey() -> Bool {
        let now = Instant.monotonicNow
        let isDue = state.withLock { state in
            if let last = state.lastAttempt, now - last < Self.minInterval { return false }
            state.lastAttempt = now
            return true
        }
        if isDue { Task { await refresh() } }
        return isDue
    }

    func refresh() async {
        state.withLock { $0.lastAttempt = .monotonicNow }
        guard let text = await read() else { return warn() }
        // The same keys: outcomes found with them remain valid.
        if state.withLock({ $0.text == text }) { return }
        guard let keys = JSONWebKeySet(text), !keys.isEmpty else { return warn() }
        state.withLock { state in
            state.text = text
            state.edition = Edition(keys: keys, number: state.edition.number + 1)
        }
    }

    private func warn() {
        logger.warning(
            "the JWK set could not be read, or has no usable key; what was read before stays", metadata: ["place": "\(name)"])
    }

    private func read() async -> [UInt8]? {
        switch place {
        case .file(let path):
            return Self.contents(of: path)
        case .url(let url):
            var request = HTTPClientRequest(url: url)
            request.totalTimeout = Self.timeout
            guard case .success(let response) = await HTTPFetch.response(to: request, on: loop), response.status == 200 else {
                return nil
            }
            return response.body
        }
    }

    /// Blocks: not for a loop.
    private static func contents(of path: String) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var contents: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 16_384)
        while true {
            let count = Glibc.read(descriptor, &piece, piece.count)
            if count == 0 { return contents }
            if count < 0 {
                if errno == EINTR { continue }
                return nil
            }
            contents += piece[..<count]
            if contents.count > maxFileBytes { return nil }
        }
    }

    private var name: String {
        switch place {
        case .file(let path): path
        case .url(let url): url
        }
    }
}
