package files

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// Lock takes the lock that is a file of this name, which nobody else can open meanwhile: ErrLocked says that
// somebody has it. Windows removes the file when this process ends, however it ends, and at release.
func Lock(name string) (release func(), err error) {
	path, err := windows.UTF16PtrFromString(name)
	if err != nil {
		return nil, err
	}
	handle, err := windows.CreateFile(path, windows.GENERIC_READ|windows.GENERIC_WRITE|windows.DELETE, 0, nil,
		windows.OPEN_ALWAYS, windows.FILE_ATTRIBUTE_HIDDEN|windows.FILE_FLAG_DELETE_ON_CLOSE, 0)
	switch {
	case errors.Is(err, windows.ERROR_SHARING_VIOLATION):
		return nil, ErrLocked
	case err != nil:
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return func() { _ = windows.CloseHandle(handle) }, nil
}
