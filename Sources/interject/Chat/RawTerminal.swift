import Glibc

/// The terminal of this process, taken over key by key and given back as it was.
struct RawTerminal {
    private let saved: termios

    /// Takes it over.
    /// - Returns: nil when stdin is no terminal.
    init?() {
        var settings = termios()
        guard tcgetattr(STDIN_FILENO, &settings) == 0 else { return nil }
        saved = settings
        settings.c_lflag &= ~tcflag_t(ICANON | ECHO | ISIG | IEXTEN)
        settings.c_iflag &= ~tcflag_t(IXON | ICRNL | INLCR)
        // At once and without dropping what was typed before we were ready.
        tcsetattr(STDIN_FILENO, TCSANOW, &settings)
        // Bracketed paste: pasted line ends are told from Enter.
        Standard.output("\u{1B}[?2004h")
    }

    /// Gives it back.
    func restore() {
        var settings = saved
        tcsetattr(STDIN_FILENO, TCSADRAIN, &settings)
        Standard.output("\u{1B}[?2004l")
    }

    /// Columns of the terminal on stdout, 80 when it does not say.
    static var columns: Int {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col)
    }

    /// Whether a person sits at both ends.
    static var isInteractive: Bool { isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1 }
}
