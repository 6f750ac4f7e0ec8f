extension Duration {
    /// So many minutes of 60 seconds.
    ///
    /// - Parameter minutes: how many.
    /// - Returns: the duration.
    public static func minutes(_ minutes: some BinaryInteger) -> Duration { .seconds(minutes) * 60 }

    /// So many hours of 3,600 seconds.
    ///
    /// - Parameter hours: how many.
    /// - Returns: the duration.
    public static func hours(_ hours: some BinaryInteger) -> Duration { .seconds(hours) * 3_600 }

    /// So many days of 86,400 seconds.
    ///
    /// - Parameter days: how many.
    /// - Returns: the duration.
    public static func days(_ days: some BinaryInteger) -> Duration { .seconds(days) * 86_400 }
}
