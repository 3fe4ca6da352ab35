package backup

// Bounds.
const (
	maxFile = 1 << 20   // bytes of a sealed backup; seven members need 12 KiB
	maxBody = 512 << 10 // bytes of what is sealed
)
