import Glibc

/// Switches the terminal of this process to raw mode, and back.
struct RawTerminal {
    private let saved: termios

    /// Enters raw mode.
    /// - Returns: nil when stdin is not a terminal.
    init?() {
        var settings = termios()
        guard tcgetattr(STDIN_FILENO, &settings) == 0 else { return nil }
        saved = settings
        settings.c_lflag &= ~tcflag_t(ICANON | ECHO | ISIG | IEXTEN)
        settings.c_iflag &= ~tcflag_t(IXON | ICRNL | INLCR)
        // Immediately and without discarding what was typed earlier.
        tcsetattr(STDIN_FILENO, TCSANOW, &settings)
        // Bracketed paste distinguishes pasted line ends from Enter.
        Standard.output("\u{1B}[?2004h")
    }

    /// Restores the previous mode.
    func restore() {
        var settings = saved
        tcsetattr(STDIN_FILENO, TCSADRAIN, &settings)
        Standard.output("\u{1B}[?2004l")
    }

    /// Columns of the terminal on stdout; 80 if unknown.
    static var columns: Int {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col)
    }

    /// Whether both stdin and stdout are terminals.
    static var isInteractive: Bool { isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1 }
}
