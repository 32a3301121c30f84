/// Delays between connection attempts: exponential, with jitter, so that the clients of a restarting server do not reconnect at
/// once.
struct Backoff {
    static let first = Duration.milliseconds(200)
    static let longest = Duration.seconds(10)

    private var attempts = 0

    mutating func next() -> Duration {
        let ceiling = min(Self.longest, Self.first * (1 << min(attempts, 10)))
        attempts += 1
        return ceiling * Double.random(in: 0.5...1)
    }

    /// Starts over, after a success.
    mutating func reset() { attempts = 0 }
}
