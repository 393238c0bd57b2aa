"""What stands beside the 3D view: picture, plots, controls, diagnostics."""

from __future__ import annotations

from collections.abc import Sequence

import viser

from fsanet_ros.arrays import Image
from fsanet_ros.drawing import color_of
from fsanet_ros.view.plots import SECONDS, Recent
from fsanet_ros.view.shown import Control, Diagnosis
from fsanet_ros.view.view_scene import VIEWS

_PICTURE_PX, _PLOT_PX = 560, 150
_PLOTS = (('nose to the left (degrees)', 90), ('nose up (degrees)', 60))  # and their range
_TEXT = '#c9ced6'


class Panel:
    """Two windows: picture and plots on the left, controls and diagnostics on the right."""

    def __init__(self, server: viser.ViserServer, controls: Sequence[Control]) -> None:
        """Put everything in that does not depend on who is seen."""
        self._server = server
        gui = server.gui
        gui.configure_theme(dark_mode=True, show_logo=False, show_share_button=False)
        left = gui.add_panel()
        self._pictures_tab = left.add_tab('Picture', viser.Icon.VIDEO)
        self._pictures: dict[str, viser.GuiImageHandle] = {}
        self._plots: list[viser.GuiUplotHandle] = []
        self._plotted: tuple[str, ...] | None = None
        left.dock_left()
        left.set_width(_PICTURE_PX)
        gui.main_panel.dock_right()
        gui.main_panel.set_width(320)
        with gui.add_folder('Look from'):
            for name in VIEWS:
                self._add_view_button(name)
        if controls:
            with gui.add_folder('Settings'):
                for control in controls:
                    self._add_control(control)
        with gui.add_folder('Diagnostics'):
            self._diagnoses = gui.add_markdown('waiting for images')
        self._diagnosis_of: dict[str, Diagnosis] = {}

    def show_picture(self, source: str, picture: Image) -> None:
        """Show a camera's picture with the heads drawn in, uint8 [h, w, 3] RGB."""
        if source in self._pictures:
            self._pictures[source].image = picture
            return
        with self._pictures_tab:
            self._pictures[source] = self._server.gui.add_image(
                picture, label=source, format='jpeg', jpeg_quality=80, order=len(self._pictures)
            )

    def show_plots(self, recent: Recent) -> None:
        """Show the last seconds."""
        ids = recent.ids()
        times, curves = recent.curves(ids or ('',))
        series = (
            {'label': 's'},
            *({'label': i, 'stroke': _css(i), 'width': 2, 'spanGaps': False} for i in ids or ('',)),
        )
        data = [(times, *of_plot) for of_plot in curves]
        if self._plotted == ids:
            for plot, of_plot in zip(self._plots, data, strict=True):
                plot.data = of_plot
            return
        self._plotted = ids
        for plot in self._plots:
            plot.remove()
        axes = ({'stroke': _TEXT}, {'stroke': _TEXT, 'size': 40})
        with self._pictures_tab:
            self._plots = [
                self._server.gui.add_uplot(
                    of_plot,
                    series,
                    title=title,
                    axes=axes,
                    # A fixed range: uPlot finds none where a value is NaN.
                    scales={
                        'x': {'time': False, 'range': (-SECONDS, 0.0)},
                        'y': {'range': (-most, most)},
                    },
                    height=_PLOT_PX,
                    order=100.0 + number,
                )
                for number, ((title, most), of_plot) in enumerate(zip(_PLOTS, data, strict=True))
            ]

    def show_diagnosis(self, diagnosis: Diagnosis) -> None:
        """Show how a source is."""
        if self._diagnosis_of.get(diagnosis.source) == diagnosis:
            return
        self._diagnosis_of[diagnosis.source] = diagnosis
        self._diagnoses.content = '\n\n'.join(map(_as_markdown, self._diagnosis_of.values()))

    def _add_view_button(self, name: str) -> None:
        def look(event: viser.GuiEvent[viser.GuiButtonHandle]) -> None:
            if event.client is not None:
                with event.client.atomic():
                    event.client.camera.position, event.client.camera.look_at = VIEWS[name]

        self._server.gui.add_button(name).on_click(look)

    def _add_control(self, control: Control) -> None:
        gui = self._server.gui
        handle: viser.GuiSliderHandle[float] | viser.GuiDropdownHandle[str]
        if control.choices:
            handle = gui.add_dropdown(
                control.name, control.choices, initial_value=str(control.value), hint=control.hint
            )
        else:
            step = (control.high - control.low) / 100
            value = min(max(float(control.value), control.low), control.high)
            handle = gui.add_slider(
                control.name, control.low, control.high, step, value, hint=control.hint
            )

        accepted = [handle.value]

        def apply(event: viser.GuiEvent[viser.GuiSliderHandle[float]]) -> None:
            value = handle.value
            if value == accepted[0]:
                return
            reason = control.apply(value)
            if not reason:
                accepted[0] = value
                return
            handle.value = accepted[0]
            if event.client is not None:
                event.client.add_notification(control.name, reason, color='red')

        handle.on_update(apply)


def _as_markdown(diagnosis: Diagnosis) -> str:
    state = f'⚠ {_escaped(diagnosis.problem)}' if diagnosis.problem else 'well'
    rows = [f'| {_escaped(k)} | {_escaped(v)} |' for k, v in diagnosis.figures.items()]
    table = '\n'.join(['| | |', '|---|---|', *rows]) if rows else ''
    return f'**{_escaped(diagnosis.source)}**: {state}\n\n{table}'


def _escaped(text: str) -> str:
    # Topics and reasons are text, whoever wrote them: no formatting, links or pictures from afar.
    return ''.join(f'&#{ord(c)};' if c in '|<>[]()!*_`#&\\~' else c for c in text)


def _css(id_: str) -> str:
    red, green, blue = color_of(id_)
    return f'rgb({red},{green},{blue})'
