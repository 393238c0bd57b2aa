from fsanet_ros.types import Head
SMOOTHINGS = ('off', 'light', 'strong')
class Smoother: pass
class _Off:
    def smooth(self, head: Head, time_s: float) -> Head:
        return head
def make_smoother(smoothing):
    return _Off()
